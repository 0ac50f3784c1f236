"""A headless Chromium, spoken to by its own debugging protocol: pages of a given width and colour scheme."""

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 60.0


def chromium() -> str | None:
    """The program that HEARKEN_TEST_BROWSER names, or the first Chromium on the PATH."""
    return os.environ.get("HEARKEN_TEST_BROWSER") or next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """A running Chromium and its connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._number = 0
        self.pages: dict[str, Page] = {}

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Send one command and wait for its answer; events that come before it go to their pages."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        self._connection.send(json.dumps(message | ({} if session is None else {"sessionId": session})))
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def until(self, condition: Callable[[], Any], what: str) -> Any:
        """Wait for the condition to hold, taking in events meanwhile."""
        deadline = time.monotonic() + SECONDS
        while not (held := condition()):
            assert time.monotonic() < deadline, f"not within {SECONDS:g} s: {what}"
            try:
                self._receive(0.05)
            except TimeoutError:
                continue
        return held

    def page(self, width: int, *, dark: bool = False, height: int = 844) -> "Page":
        """A new, empty page, a touch screen below 600 pixels."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self.pages[session] = Page(self, target, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.call("Emulation.setEmulatedMedia", features=[scheme])
        return page

    def close(self, *pages: "Page") -> None:
        """Close pages."""
        for page in pages:
            self.call("Target.closeTarget", targetId=page.target)
            del self.pages[page.session]

    def _receive(self, seconds: float = SECONDS) -> Any:
        message = json.loads(self._connection.recv(seconds))
        page = self.pages.get(message.get("sessionId", ""))
        if page is not None and "method" in message:
            page.note(message["method"], message["params"])
        return message


class Page:
    """One page: `requests` are the addresses it asked for, `errors` what the console was told."""

    def __init__(self, browser: Browser, target: str, session: str) -> None:
        self.target = target
        self._browser = browser
        self.session = session
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._loaded = False

    def call(self, method: str, **parameters: Any) -> Any:
        """One command to this page."""
        return self._browser.call(method, self.session, **parameters)

    def open(self, address: str) -> None:
        """Go there and wait until it has loaded."""
        self._loaded = False
        self.call("Page.navigate", url=address)
        self._browser.until(lambda: self._loaded, f"{address} loaded")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, awaited where it is a promise."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, expression: str) -> Any:
        """Wait for a JavaScript expression to hold."""
        return self._browser.until(lambda: self.evaluate(expression), expression)

    def picture(self, file: Path, whole: bool = True) -> None:
        """Keep what the page looks like, as PNG."""
        made = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(made["data"]))

    def note(self, event: str, told: Any) -> None:
        """Take in one event."""
        if event == "Page.loadEventFired":
            self._loaded = True
        elif event == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.errors.append(str(told["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.errors.append(str([part.get("value", part.get("description")) for part in told["args"]]))
        elif event == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.errors.append(f"{told['entry']['text']} ({told['entry'].get('url', '')})")


@contextmanager
def running(program: str) -> Iterator[Browser]:
    """A Chromium with a profile of its own, ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as folder:
        profile, log = Path(folder, "profile"), Path(folder, "log")
        command = [
            program, "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader",
            "--disable-dev-shm-usage", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0",
            f"--user-data-dir={profile}", "about:blank",
        ]  # fmt: skip
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            with connect(_address(process, log), max_size=None) as connection:
                yield Browser(connection)
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Where the browser says that it listens."""
    deadline = time.monotonic() + SECONDS
    while True:
        found = re.search(r"DevTools listening on (ws://\S+)", log.read_text(errors="replace"))
        if found:
            return found[1]
        assert process.poll() is None, log.read_text(errors="replace")
        assert time.monotonic() < deadline, log.read_text(errors="replace")
        time.sleep(0.02)
