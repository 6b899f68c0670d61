"""Codes that the reading of a channel file gives out."""

from __future__ import annotations

from hub.channel.rules import describe

_CODES = {
    "Y001": (
        "not a readable YAML file",
        """The file is missing, is not UTF-8 or is not YAML; the place is where reading stopped, and the
        cause is often one line above it.  Indent with spaces, two a level; put a text that holds `: `,
        `#`, `{`, `[` or that starts with `*`, `&`, `!`, `%`, `@` in quotes.""",
    ),
    "Y002": (
        "a key stands twice",
        """Most readers keep the last one silently.  Here both are refused, so that nobody wonders which
        port a channel listens on.""",
    ),
    "Y003": (
        "too large, too deep or too many values",
        """A channel file is at most 256 KiB, 32 levels and 10,000 values after aliases were followed: a
        bound against files that unfold without end.""",
    ),
    "Y004": (
        "YAML that a channel does not need",
        """Tags (`!!python/...`), merge keys (`<<`), several documents in a file and keys that are no text
        are refused.  Plain values, lists, mappings and aliases (`&name`, `*name`) are taken.""",
    ),
    "Y005": (
        "a variable or a secret file is not there",
        """`${NAME}` is replaced by the variable of the environment, `${NAME:-text}` by `text` when it is
        unset, `${file:/run/secrets/x}` by the content of the file.  `${HUB_...}` are the settings of the
        hub: `${HUB_MLLP_PORT}` is there even when the environment lacks it.""",
    ),
    "C101": (
        "an unknown setting",
        """The key is none that may stand there; the message names the nearest one.  `hub schema` gives
        editors what they need to complete and check keys while they are written.""",
    ),
    "C102": ("a required setting is missing", """Write the setting; the message says which."""),
    "C103": (
        "a value that does not fit",
        """Wrong type or out of range.  Plain `true`, `false`, numbers of up to nine digits and `1.5` are
        typed, all else is text: when a text looks like a number, put it in quotes.  Durations are written
        `10s`, `5m`, `2h`, `90d`.""",
    ),
    "C104": (
        "no such connector",
        """The key below `source:` or in an item of `deliver:` is the name of a connector; `hub list
        connectors` shows them.""",
    ),
    "C105": ("no such mapping", """`hub list mappings` shows the mappings that a channel can name."""),
    "C106": ("no such format", """`hub list formats` shows the formats that a channel can read."""),
    "C107": (
        "a connector that works the other way",
        """Some connectors only receive and some only send: `fhir` is no source.""",
    ),
}

for _code, (_summary, _explanation) in _CODES.items():
    describe(_code, _summary, _explanation)
