"""Instructions in disguise: text from outside that addresses its reader, or claims trust for itself. (Ours; no paper.)

A document may say what it likes to people. What it may not do is speak to the model that will one day recall it: those
sentences are quarantined at the door. The user's own words are not screened here: they are meant as instructions.
"""

from __future__ import annotations

import re
import unicodedata

from delible.core.verdicts import Context, Verdict

_READER = r"(?:ai|a\.i\.|assistants?|agents?|chat ?bots?|language models?|llms?|copilots?|models? reading this)"
PATTERNS: dict[str, str] = {
    "tells the reader to drop its instructions": (
        r"\b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,40}\b(?:previous|prior|earlier|above|preceding|system|all|any|your)\b[^.\n]{0,30}\b(?:instructions?|prompts?|rules?|guidelines?|directions?|messages?|context)\b"
    ),
    "gives the reader a new role": (
        r"\b(?:you are now|from now on,? you|pretend (?:to be|that you)|you will now act|act as (?:if you|an?"
        r" (?:unrestricted|different))|enter (?:developer|admin|god) mode)\b"
    ),
    "imitates a turn or a system message": (
        r"(?:<\|(?:im_start|im_end|system|user|assistant|endoftext)\|>|\[/?INST\]|<<SYS>>|^\s*(?:#+\s*)?(?:system|assistant|developer)(?:"
        r" (?:prompt|message|note|override|update))?\s*:|</?(?:system|instructions?)>)"
    ),
    "addresses a model": (
        r"\b(?:(?:attention|note to|notice to|instructions? (?:for|to)|important for|message to|dear)\s+(?:all |any"
        rf" |the |every )?{_READER}|(?:as|if you are) an?"
        rf" {_READER}\b[^.\n]{{0,20}}\byou\b|{_READER}\s*(?:,|must|should|shall|has to|are required to|is required"
        r" to)\s*(?:always|never|now|immediately|please|first)?\b)"
    ),
    "asks for secrecy from the user": (
        r"\b(?:do not|don't|never|without)\s+(?:tell(?:ing)?|inform(?:ing)?|mention(?:ing)?(?: this)?"
        r" to|notify(?:ing)?|alert(?:ing)?|reveal(?:ing)?(?: this)? to|ask(?:ing)?)\s+(?:this\s+|it\s+)?(?:to\s+)?the"
        r" (?:user|human|owner|operator)\b"
    ),
    "asks for secrets or money to be sent": (
        r"\b(?:send|forward|e-?mail|upload|post|transfer|exfiltrate|wire|leak|copy)\b[^.\n]{0,60}\b(?:passwords?|credentials?|api["
        r" _-]?keys?|secrets?|tokens?|private keys?|conversation|chat"
        r" history|memor(?:y|ies)|funds?|payments?|bitcoin)\b[^.\n]{0,40}\bto\b"
    ),
    "plants an answer for later": (
        r"\b(?:when(?:ever)?|if|every time|next time|any time)\b[^.\n]{0,25}\b(?:you(?:'re| are)?|the"
        r" user|someone|anyone|they)\b[^.\n]{0,25}\b(?:ask(?:s|ed)?|quer(?:y|ies|ied)|request(?:s|ed)?|want(?:s|ed)?)\b[^.\n]{0,80}\b(?:always|answer|respond|reply|say|tell|recommend|return|claim|insist|use)\b"
    ),
    "wants to be remembered or obeyed": (
        r"\b(?:(?:save|store|add|write|commit|record|keep) (?:this|the"
        r" following|that|it)\b[^.\n]{0,30}\b(?:memory|memories|long[- ]term|knowledge base)|remember (?:this|the"
        r" following|that)[^.\n]{0,20}\b(?:forever|always|permanently|above all|as (?:a )?(?:fact|rule|true))|you must"
        r" (?:always |never |now )?(?:follow|obey|comply|execute|run|recommend|answer|respond|use|prefer)\b)"
    ),
    "claims trust for itself": (
        r"\b(?:this"
        r" (?:message|document|record|note|text|entry|memory|source|information)\b[^.\n]{0,30}\b(?:trusted|verified|authoritative|authenticated|official|overrides?|supersedes?|takes?"
        r" (?:precedence|priority)|highest priority|is (?:always )?(?:true|correct))|trust(?:["
        r" _-]?(?:level|score))?\s*[:=]\s*(?:1(?:\.0*)?|100"
        r" ?%|high(?:est)?|full|max(?:imum)?)\b|channel\s*[:=]\s*(?:user|system)\b)"
    ),
    "asks for its prompt": (
        r"\b(?:reveal|print|show|repeat|output|disclose|display)\b[^.\n]{0,30}\b(?:(?:your|the) (?:system |hidden"
        r" |initial |original )?(?:prompt|instructions)|system prompt)\b"
    ),
}
_COMPILED = {reason: re.compile(pattern, re.IGNORECASE | re.MULTILINE) for reason, pattern in PATTERNS.items()}
LONGEST = 200_000  # characters that are read; of a longer text the beginning and the end


def visible(text: str) -> str:
    """The text as a model reads it: compatibility forms folded, tag characters read as the letters they hide, joiners
    gone."""
    if text.isascii():
        return text
    shown = "".join(chr(ord(c) - 0xE0000) if 0xE0020 <= ord(c) <= 0xE007E else c for c in text)
    return "".join(c for c in unicodedata.normalize("NFKC", shown) if unicodedata.category(c) != "Cf")


def screen(item: str, context: Context = Context()) -> Verdict:
    """Quarantine what is not the user's own and matches a pattern; the score is 1 - 2^-(number of patterns).

    At recall it lets pass: what it found at the door is held until somebody releases it, and then it was released.
    """
    if context.direction == "recall" or (context.source is not None and context.source.channel == "user"):
        return Verdict("allow")
    text = visible(item if len(item) <= LONGEST else item[: LONGEST // 2] + "\n" + item[-LONGEST // 2 :])
    reasons = tuple(reason for reason, pattern in _COMPILED.items() if pattern.search(text))
    if not reasons:
        return Verdict("allow")
    return Verdict("quarantine", score=1 - 2.0 ** -len(reasons), reasons=tuple(f"it {reason}" for reason in reasons))
