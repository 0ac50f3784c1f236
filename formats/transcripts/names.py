"""Names of speakers: how they are compared, and whether words before a colon have the shape of one."""

import re
from typing import Final

from models.schemas.strings import folded

__all__ = ["begins_small", "folded", "is_clause", "is_counted", "is_distinctive", "is_phrase", "is_titled"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


MOST_NAME_CHARACTERS: Final = 100
MOST_NAME_WORDS: Final = 12

_CONNECTORS: Final = _words("""
    a al and at aus bin da das de dei del della den der des di do dos du e el et from i in la le les of och og on the
    und van vom von y zu zum zur & + - – — / | и з от
""")
"""Words that stand in small letters inside names and titles."""

_OPENING_WORDS: Final = _words("""
    my your our his her its their this that these those you he she it we they there here what why how when where which
    whose if but so because then also now please let let's
    mein meine dein unser dies wie wann wo warum mon ma mes notre votre ce cette quoi pourquoi comment quand nuestro
    esto eso qué cómo cuándo dónde nostro questo perché quando dove nosso isto isso mijn onze dit dat hoe wanneer waarom
    мой моя мои наш это что почему как когда где
""")
"""With them a clause begins, in capitals too, and no display name of several words does."""
_CLAUSE_WORDS: Final = _OPENING_WORDS | _words("""
    i me us mine yours is are was were be been am isn't aren't have has had do does did don't can could will would
    should must who whom said say says asked asks wrote means meant told
    ich du er sie es wir ihr ist sind war was wer sagte fragte je tu il elle nous vous ils c'est est sont où qui dit
    yo tú él ella nosotros mi mis tu su es son era por quién dijo io lui lei noi voi è sono chi disse
    eu ele ela nós são porque onde quem disse ik jij hij zij wij zijn wie zei я ты он она мы вы они кто сказал сказала
""")
"""Pronouns, verbs and question words, which no display name has in small letters."""
_TOPIC_WORDS: Final = _words("""
    first second third fourth fifth last next another other final finally lastly secondly firstly thirdly
    question questions answer answers point points thing things note notes reminder remember example fact facts
    problem problems reason reasons rule rules step steps idea ideas news update updates summary conclusion option
    options warning caution attention correction translation meaning spoiler result results proposal suggestion request
    advice condition exception hint tip quote ps therefore however moreover meanwhile plan agenda topic item
    frage fragen antwort erstens zweitens drittens punkt hinweis beispiel problem also bitte merke nämlich übrigens
    fazit premièrement deuxièmement réponse exemple raison remarque conclusion donc chose primero segundo pregunta
    respuesta ejemplo razón nota entonces recuerda domanda risposta esempio ricorda primeiro pergunta resposta exemplo
    lembre
    eerst vraag antwoord voorbeeld первое второе вопрос ответ пример помните значит итак прошу внимание
""")
"""What people say that they are about to say: speech where one stands first or last."""
_CLAUSE_PARTS: Final = re.compile(r"[我你您他她它的是了吗呢么请]|问题|問題|回答|第[一二三四五]|注意|[はがを]|です|ます")
"""The same as all three in scripts without blanks between words."""
_COUNTER: Final = re.compile(r"(.*[^\W\d_])[\s_#№-]{0,3}(?:no\.?|nr\.?|№|#)?\s?(\d{1,4}|[A-Z])\)?$", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*\.?")
_SCRIPTS_WITHOUT_BLANKS: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e00-\u0e7f]")
_SIGNS: Final = re.compile(r"[@()\[\]_#№*+/|\d\"“”„]|[\U0001f000-\U0001faff☀-➿]")


def is_phrase(prefix: str) -> bool:
    """Whether it is too long for anybody's name."""
    return len(prefix) > MOST_NAME_CHARACTERS or len(prefix.split()) > MOST_NAME_WORDS


def is_counted(prefix: str) -> str | None:
    """What a counter stands behind, in small letters (`speaker` of `Speaker 2`, `SPEAKER_00`); None without one."""
    counted = _COUNTER.match(prefix)
    if counted is None or (counted[2].isalpha() and not re.search(r"[\s_#№-]", prefix[-2:-1])):
        return None
    return counted[1].casefold().strip()


def is_distinctive(prefix: str) -> bool:
    """Whether it has signs that names have and clauses do not: digits, brackets, `@`, an emoji, `Okafor, Ify`."""
    if _SIGNS.search(prefix):
        return True
    last, comma, first = prefix.partition(", ")
    return bool(comma) and is_titled(last) and is_titled(first) and not is_clause(prefix)


def is_titled(prefix: str) -> bool:
    """Whether each word begins with a capital, but for those that stand in small letters inside names."""
    words = _WORD.findall(prefix)
    capitals = [word for word in words if not word[0].islower()]
    return bool(capitals) and all(word[0].isupper() or word.casefold() in _CONNECTORS for word in words)


def is_clause(prefix: str) -> bool:
    """Whether it says what is about to be said, or has a pronoun, verb or question word of a clause."""
    if _SCRIPTS_WITHOUT_BLANKS.search(prefix):
        return _CLAUSE_PARTS.search(prefix) is not None
    before_brackets = re.split(r"[(\[]", prefix, maxsplit=1)[0].strip() or prefix  # Olena (she/her)
    words = [word.rstrip(".").replace("’", "'") for word in _WORD.findall(before_brackets)]
    if not words:
        return False
    if words[0].casefold() in _TOPIC_WORDS or words[-1].casefold() in _TOPIC_WORDS:
        return True
    if len(words) == 1:
        return False
    small = (word for word in words if word.islower() or word == "I")
    return words[0].casefold() in _OPENING_WORDS or any(word.casefold() in _CLAUSE_WORDS for word in small)


def begins_small(text: str) -> bool | None:
    """Whether its first letter is small; None where it has none with a case, or a digit stands before it."""
    for character in text[:40]:
        if character.isdigit():
            return None
        if character.isalpha():
            return True if character.islower() else False if character.isupper() else None
    return None
