"""Instructions in disguise: text from outside that addresses its reader, or claims trust for itself. (Ours; no paper.)

A document may say what it likes to people. What it may not do is speak to the model that will one day recall it: such
text is quarantined at the door. The user's own words are not screened here: they are meant as instructions.
"""

from __future__ import annotations

import re
import unicodedata

from delible.core.verdicts import Context, Verdict

LONGEST = 200_000  # characters that are read; of a longer text its beginning and its end

MODEL = r"(?: ai | a\.i\. | assistants? | agents? | chat\ ?bots? | (?:language\ )? models? | llms? | copilots? )"
ORDERS = r"(?: instructions? | prompts? | rules? | guidelines? | directions? | messages? | context )"
SECRETS = r"(?: passwords? | credentials? | (?: api | private )[ _-]?keys? | secrets? | tokens? | chat\ history )"
NEAR = r"[^.\n]{0,40}?"  # within the sentence

PATTERNS: dict[str, str] = {
    "tells its reader to drop instructions": rf"""
        \b(?: ignore | disregard | forget | override | bypass )\b {NEAR}
        \b(?: previous | prior | earlier | above | preceding | system | all | your )\b {NEAR} \b{ORDERS}\b
        | \b(?: ignore | disregard | forget )\ (?: all | everything | anything | whatever )\b {NEAR}
          \b(?: above | before | previous(?: ly )? | so\ far | until\ now )\b""",
    "gives its reader a new role": r"""
        \b(?: you\ are\ now\ (?: an? | the | in )\b | from\ now\ on,?\ you | pretend\ (?: to\ be | that\ you )
          | act\ as\ (?: if\ you | an?\ (?: unrestricted | different ) )
          | enter\ (?: developer | admin | god )\ mode )""",
    "imitates a turn or a system message": r"""
        <\|(?: im_start | im_end | system | user | assistant | endoftext )\|> | \[/?INST\] | <</?SYS>>
        | ^\s* (?: \#+\s* | \[ )? (?: system | assistant | developer )
          (?: \ (?: prompt | message | note | override | update ) )? \s* \]? \s* :
        | </?(?: system | instructions? )>""",
    "addresses a model": rf"""
        \b(?: attention | (?: note | notice | message )\ to | instructions?\ (?: for | to ) | important\ for | dear )
          \s*:?\s* (?: all | any | the | every )?\s* {MODEL}\b
        | \b(?: as | if\ you\ are )\ an?\ {MODEL}\b {NEAR} \byou\b
        | ^\W* {MODEL} \s*[,:]\s* (?: you | please | always | never | now | do | tell | send | use | answer )\b
        | \b{MODEL}\ (?: reading | processing | that\ reads | who\ reads )\ this\b""",
    "asks for secrecy towards the user": r"""
        \b(?: do\ not | don't | never | without )\s+
        (?: tell | inform | notify | alert | ask | mention | reveal | report )(?: l?ing )?\b [^.\n]{0,25}?
        \bthe\ (?: user | human | owner | operator )\b""",
    "asks for secrets to be sent": rf"""
        \b(?: send | forward | e-?mail | upload | post | transfer | exfiltrate | leak | copy )\b
        {NEAR} \b{SECRETS}\b {NEAR} \bto\b""",
    "plants an answer for later": rf"""
        \b(?: when(?:ever)? | if | (?: every | next | any )\ time )\b {NEAR}
        \b(?: you(?:'re|\ are)?\ (?: asked | queried )
             | (?: the\ user | someone | anyone )\ (?: asks | requests | wants ) )\b [^.\n]{{0,80}}?
        \b(?: always | answer | respond | reply | say | tell | recommend | return | claim | insist )\b""",
    "wants to be remembered or obeyed": r"""
        \b(?: save | store | add | write | commit | record | keep )\ (?: this | the\ following | that | it )\b
          [^.\n]{0,30}? \b(?: memor(?: y | ies ) | knowledge\ base )\b
        | \bremember\ (?: this | the\ following )\b [^.\n]{0,20}? \b(?: forever | always | permanently | above\ all )\b
        | \byou\ must\ (?: always | never | now | immediately )?\s*
          (?: follow | obey | comply | execute | recommend )\b""",
    "claims trust for itself": r"""
        \bthis\ (?: message | document | record | note | text | entry | memory | source )\b [^.\n]{0,30}?
          \b(?: trusted | verified | authoritative | authenticated | overrides? | supersedes?
              | takes?\ (?: precedence | priority ) | highest\ priority )\b
        | \btrust(?: [ _-]?(?: level | score ) )? \s*[:=]\s*
          (?: 1(?: \.0* )?\b | 100\ ?% | high(?: est )?\b | full\b | max )
        | \bchannel \s*[:=]\s* (?: user | system )\b""",
    "asks for its reader's prompt": r"""
        \b(?: reveal | print | show | repeat | output | disclose | display )\b [^.\n]{0,30}?
        \b(?: your\ (?: (?: system | hidden | initial | original )\ )? (?: prompt | instructions )
             | (?: the\ )?system\ prompt )\b""",
}
_COMPILED = {
    reason: re.compile(pattern, re.IGNORECASE | re.MULTILINE | re.VERBOSE) for reason, pattern in PATTERNS.items()
}


def visible(text: str) -> str:
    """The text as a model reads it: tag characters as the letters they hide, forms folded, joiners gone."""
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
