# One image for every part of a cluster: `hearken api`, `worker`, `beat`, `migrate`.
# PostgreSQL and Redis are their own images, so the embedded stack's programs stay out.
FROM python:3.12-slim AS wheel
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /opt/hearken
COPY pyproject.toml setup.py README.md LICENSE ./
COPY docker docker
COPY attention attention
COPY models models
COPY formats formats
COPY report report
COPY migrations migrations
COPY workers workers
COPY service service
COPY hearken hearken
COPY samples samples
RUN docker/build.sh wheel /wheel


FROM python:3.12-slim
# The compiled kernel runs on OpenMP's threads.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
# Where to find torch without CUDA, if the default index only has the other: --build-arg PIP_EXTRA_INDEX_URL=...
ARG PIP_EXTRA_INDEX_URL=
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

WORKDIR /opt/hearken
COPY constraints.txt ./
COPY docker docker
COPY --from=wheel /wheel /wheel
RUN docker/build.sh install /wheel

RUN useradd --system --uid 10001 --home-dir /var/lib/hearken --create-home hearken
RUN install --directory --owner=hearken /var/lib/hearken/hub
USER hearken
WORKDIR /var/lib/hearken
ENV HF_HOME=/var/lib/hearken/hub XDG_CACHE_HOME=/var/lib/hearken/hub HEARKEN_HOST=0.0.0.0 HEARKEN_AUTH=keys

EXPOSE 8321
ENTRYPOINT ["hearken"]
CMD ["api"]
