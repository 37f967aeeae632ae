"""The dates: seconds since 1970 as the text that records carry; and certificates, which no unit judges by theirs."""

import ssl
from datetime import UTC, datetime

_SECONDS_MAX = 253402300799
"""The last second of the year 9999."""

NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, for which Python has no name: no clock of a unit is evidence."""


def utc(seconds: int) -> str:
    """`2024-07-28T20:24:06Z`; a clock before 1970 or after 9999 is shown as that end."""
    return datetime.fromtimestamp(min(max(seconds, 0), _SECONDS_MAX), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
