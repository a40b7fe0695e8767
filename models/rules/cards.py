"""The card scan: no card number, CVV, PIN or track data enters an event, a static value or a template.

Searched are keys, texts and numbers, after NFKC (full-width digits are digits), for 14 to 19 digits, plain or in card
groups, with an issuer's prefix, its length and a valid check digit; 13-digit shop ids pass. No message and no path
repeats the digits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class CardFault:
    """path is a place in the order such as customFields.note or items[0].name; empty for the order's own keys."""

    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Scan:
    """order is the very object given unless something was dropped from it."""

    order: dict[str, Any]
    test_card: bool
    fault: CardFault | None


def scan(order: dict[str, Any], text: str, *, exempt: Collection[str] = ()) -> Scan:
    """Search an order. text is the same order as compact JSON: one look over it spares most orders the walk.

    exempt names paths whose value may look like a card number by chance, such as trackingNumber or items[].serial, for
    any item. Nothing else passes there. The month and year of a card, eci, xid and cavv are dropped, and so is the
    CRM's test card of 16 zeros, which marks the order.
    """
    is_test = order.get("cardBin") == "000000" and order.get("cardLast4") == "0000"
    if not _is_suspicious(text):
        return Scan(order, is_test, None)
    walk = _Walk(exempt)
    clean = walk.value(order, "")
    return Scan(clean if walk.has_dropped else order, is_test or walk.has_test_card, walk.fault)


def scan_text(text: str) -> str | None:
    """Search one text, such as a static value; the message if it holds a card number or track data."""
    return _fault_in(unicodedata.normalize("NFKC", text))


_NUMBER = "A card number is never accepted; leave it out."
_TRACK = "Track data of a card is never accepted; leave it out."
_CODE = "The security code of a card is never accepted; leave it out."
_PIN = "A PIN is never accepted; leave it out."

_CODE_KEYS = frozenset({"cvv", "cvc", "cvv2", "cvc2", "securitycode", "cardsecuritycode"})
_PIN_KEYS = frozenset({"pin", "cardpin"})
_TRACK_KEYS = frozenset({"track1", "track2"})
_DROPPED_KEYS = frozenset({"cardmonth", "cardyear", "eci", "xid", "cavv"})

_KEYS = _CODE_KEYS | _PIN_KEYS | _TRACK_KEYS | _DROPPED_KEYS

# Both are wider than what is refused, and never narrower: a hit only starts the walk. They look at the text in small
# letters without gaps; \u is an escaped character, of a dump that was made without characters beyond ASCII.
_PREFILTER_KEYS = re.compile('"(?:' + "|".join(sorted(_KEYS)) + ')"')
_PREFILTER_DIGITS = re.compile(r"[0-9]{14}|;[0-9]{12}")


def _is_suspicious(text: str) -> bool:
    if not text.isascii() and not unicodedata.is_normalized("NFKC", text):
        text = unicodedata.normalize("NFKC", text)
    if "\\u" in text or "%b" in text or "%B" in text:
        return True
    plain = text.lower()
    for gap in _GAPS:  # far cheaper than a character class in front of every digit
        plain = plain.replace(gap, "")
    if _PREFILTER_KEYS.search(plain):
        return True
    # Long numbers are common (transaction ids, parcels): only one that could be a card is worth the walk.
    return bool(_PREFILTER_DIGITS.search(plain)) and (";" in text or any(map(_may_be_card, _CANDIDATES.findall(text))))


def _may_be_card(text: str) -> bool:
    digits = re.sub(r"[^0-9]", "", text)
    return is_card_number(digits) or not digits.strip("0")


_DROP = object()


@dataclass(slots=True)
class _Walk:
    """Copies a value without what is dropped, and keeps the first fault."""

    exempt: Collection[str]
    fault: CardFault | None = None
    has_test_card: bool = False
    has_dropped: bool = False

    def value(self, value: Any, path: str) -> Any:
        """Return the clean value, or _DROP."""
        if isinstance(value, dict):
            return {key: clean for key, item in value.items() if (clean := self._entry(key, item, path)) is not _DROP}
        if isinstance(value, list):
            found = [self.value(item, f"{path}[{index}]") for index, item in enumerate(value)]
            return [item for item in found if item is not _DROP]
        text = _text(value)
        if text is None:
            return value
        if _ZEROS.fullmatch(text):
            self.has_test_card = self.has_dropped = True
            return _DROP
        fault = _fault_in(text)
        if fault and not (fault == _NUMBER and self._is_exempt(path)):
            self._refuse(path, fault)
        return value

    def _is_exempt(self, path: str) -> bool:
        return bool(self.exempt) and _INDEX.sub("[]", path) in self.exempt

    def _entry(self, key: str, item: Any, path: str) -> Any:
        name = unicodedata.normalize("NFKC", key)
        self._refuse(path, _fault_in(name))
        word = re.sub(r"[ _-]", "", name).lower()
        if word in _DROPPED_KEYS:
            self.has_dropped = True
            return _DROP
        inner = f"{path}.{key}" if path else key
        self._refuse(inner, _fault_under(word, item))
        return self.value(item, inner)

    def _refuse(self, path: str, message: str | None) -> None:
        if message and not self.fault:
            self.fault = CardFault(path, message)


def _text(value: Any) -> str | None:
    """Read a text or the whole part of a number; digits behind a point are a fraction, not a card."""
    if isinstance(value, str):
        return unicodedata.normalize("NFKC", value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(value)
    return f"{number:f}".partition(".")[0] if number.is_finite() and abs(number.adjusted()) < 30 else None


def _fault_under(word: str, item: Any) -> str | None:
    """Judge a value by the name of its key."""
    if word in _TRACK_KEYS:
        return _TRACK if item not in (None, "", False) else None
    text = (_text(item) or "").strip()
    if word in _CODE_KEYS and re.fullmatch(r"[0-9]{3,4}", text):
        return _CODE
    if word in _PIN_KEYS and re.fullmatch(r"[0-9]{4}", text):
        return _PIN
    return None


def _fault_in(text: str) -> str | None:
    """Judge a text by itself; it is in NFKC already."""
    if len(text) < 14:
        return None
    if _TRACK_DATA.search(text):
        return _TRACK
    digits = (re.sub(r"[^0-9]", "", found[0]) for found in _CANDIDATES.finditer(text))
    return _NUMBER if any(map(is_card_number, digits)) else None


_GAPS = " ._/-"
_GAP = rf"[{_GAPS}]{{1,2}}"
_CANDIDATES = re.compile(
    rf"(?<![0-9])(?:[0-9]{{14,19}}|[0-9]{{4}}(?:{_GAP}[0-9]{{4}}){{3}}(?:{_GAP}[0-9]{{1,3}})?"
    rf"|[0-9]{{4}}{_GAP}[0-9]{{6}}{_GAP}[0-9]{{4,5}})(?![0-9])"
)
_TRACK_DATA = re.compile(r"%B[0-9 ]{12,23}\^|;[0-9]{12,19}=", re.IGNORECASE)
_INDEX = re.compile(r"\[[0-9]+\]")
_ZEROS = re.compile(rf"\s*0{{4}}(?:(?:{_GAP})?0{{4}}){{3}}\s*")

_ISSUERS = tuple(
    (re.compile(prefix), lengths)
    for prefix, lengths in (
        (r"4", (16, 18, 19)),  # Visa
        (r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720", (16,)),  # Mastercard
        (r"3[47]", (15,)),  # American Express
        (r"6011|64[4-9]|65|62", (16, 17, 18, 19)),  # Discover, UnionPay
        (r"30[0-5]|309|36|3[89]", (14, 16, 17, 18, 19)),  # Diners Club
        (r"35(?:2[89]|[3-8])", (16, 17, 18, 19)),  # JCB
        (r"50[1-9]|5[678]|6304|6390|67", (14, 15, 16, 17, 18, 19)),  # Maestro, Elo, Verve
        (r"220[0-4]", (16, 17, 18, 19)),  # Mir
        (r"60|8[12]|636", (16,)),  # RuPay, Elo, Hipercard
        (r"9792", (16,)),  # Troy
    )
)


def is_card_number(digits: str) -> bool:
    """Whether these digits have an issuer's prefix, its length and a valid check digit (Luhn)."""
    is_issued = any(len(digits) in lengths and prefix.match(digits) for prefix, lengths in _ISSUERS)
    return is_issued and _luhn(digits)


def _luhn(digits: str) -> bool:
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(map(int, digits[::-2]))) % 10 == 0
