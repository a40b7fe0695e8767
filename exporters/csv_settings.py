"""The settings of a CSV file: format, name, packing, time. An FTP profile has all of them, too.

The four settings of a dialect come from the preset unless they are given; a stored document holds them all, so that
it does not change when a preset does.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from exporters.base import Settings
from exporters.fields import Group, Labels, OnlyWith, Presets

Preset = Literal["standard", "excel", "excel-semicolon", "tab"]
Delimiter = Literal[",", ";", "\t", "|", "~", "^"]
Quote = Literal["needed", "text", "all"]
LineEnd = Literal["crlf", "lf"]
Encoding = Literal["utf-8", "utf-8-bom", "windows-1252"]
Unmappable = Literal["nearest", "question", "fail"]
DecimalSign = Literal[".", ","]
Compression = Literal["none", "gzip", "zstd", "zip"]

EXCEL_ROWS = 1_048_575
"""What a sheet takes below its header."""

_DIALECTS: dict[str, dict[str, Any]] = {
    "standard": {"delimiter": ",", "line_end": "crlf", "encoding": "utf-8", "decimal_sign": "."},
    "excel": {"delimiter": ",", "line_end": "crlf", "encoding": "utf-8-bom", "decimal_sign": "."},
    "excel-semicolon": {"delimiter": ";", "line_end": "crlf", "encoding": "utf-8-bom", "decimal_sign": ","},
    "tab": {"delimiter": "\t", "line_end": "lf", "encoding": "utf-8", "decimal_sign": "."},
}

PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {name: MappingProxyType(dialect) for name, dialect in _DIALECTS.items()}
)
"""What each preset fills, by attribute. The Excel presets also bound the rows of a file."""

FORMAT = Group("Format")
NAME = Group("Name")
SCHEDULE = Group("Schedule")
DELIVERY = Group("Delivery")

_FILLED = "Empty: as the preset says."
_BY_PRESET: Any = None  # never seen: the preset fills it before the model reads


class CsvSettings(Settings):
    """What a CSV profile sets, beside its mappings."""

    preset: Annotated[
        Preset,
        FORMAT,
        Labels(
            {
                "standard": "Standard (RFC 4180)",
                "excel": "Excel",
                "excel-semicolon": "Excel (semicolon)",
                "tab": "Tab",
            }
        ),
        Presets(PRESETS),
    ] = Field(default="excel", title="Preset", description="Fills the settings that are not given.")
    delimiter: Annotated[
        Delimiter,
        FORMAT,
        Labels({",": "comma ,", ";": "semicolon ;", "\t": "tab", "|": "pipe |", "~": "tilde ~", "^": "caret ^"}),
    ] = Field(default=_BY_PRESET, title="Delimiter", description=_FILLED)
    quote: Annotated[
        Quote, FORMAT, Labels({"needed": "where needed", "text": "all texts", "all": "all, empty cells too"})
    ] = Field(default="needed", title="Quotes", description="Text: the columns that are no number, date or yes/no.")
    line_end: Annotated[LineEnd, FORMAT, Labels({"crlf": "CR LF (Windows)", "lf": "LF (Unix)"})] = Field(
        default=_BY_PRESET, title="Line end", description=_FILLED
    )
    header: Annotated[bool, FORMAT] = Field(
        default=True, title="Header", description="The Export Names, in the order of the mappings."
    )
    encoding: Annotated[
        Encoding,
        FORMAT,
        Labels({"utf-8": "UTF-8", "utf-8-bom": "UTF-8 with BOM", "windows-1252": "Windows-1252"}),
    ] = Field(default=_BY_PRESET, title="Encoding", description=f"Excel needs the BOM, programs may not. {_FILLED}")
    unmappable: Annotated[
        Unmappable,
        FORMAT,
        OnlyWith("encoding", ("windows-1252",)),
        Labels({"nearest": "nearest letter", "question": "question mark", "fail": "make no file"}),
    ] = Field(
        default="nearest",
        title="Characters that do not fit",
        description="Windows-1252: Ł becomes L, else ?; they are counted. To make no file names row and column.",
    )
    decimal_sign: Annotated[DecimalSign, FORMAT, Labels({".": "point .", ",": "comma ,"})] = Field(
        default=_BY_PRESET, title="Decimal sign", description=f"Of numbers only. {_FILLED}"
    )
    formula_guard: Annotated[bool, FORMAT] = Field(
        default=True,
        title="Formula guard",
        description="Protects people with spreadsheets: a ' goes before a text that would run. Off: exact values.",
    )
    line_breaks: Annotated[Literal["keep", "space"], FORMAT, Labels({"keep": "keep", "space": "make a blank"})] = Field(
        default="keep",
        title="Line breaks inside values",
        description="Some programs read every line break as a new row.",
    )
    row_per: Annotated[Literal["order", "item"], FORMAT] = Field(
        default="order", title="A row for each", description="An order without items still gives one row."
    )
    items: Annotated[
        Literal["all", "route"], FORMAT, Labels({"all": "all items", "route": "only the route's product"})
    ] = Field(default="all", title="Items", description="Of an order with several: which the file shows.")
    max_rows: Annotated[int | None, FORMAT] = Field(
        default=None,
        title="Rows of a file, at most",
        description="More go into further parts; orders stay whole. The Excel presets take 1,048,575.",
        ge=1,
        le=10_000_000,
    )
    file_name: Annotated[str, NAME] = Field(
        default="{profile}_{route}_{date}",
        title="File name",
        description="{profile} {route} {customerType} {campaign} {product} {date} {ymd} {time} {year} {month} {day}"
        " {hour} {minute} {run} {seq} {part} {rows} {uuid}",
        min_length=1,
        max_length=500,
    )
    extension: Annotated[Literal["csv", "txt", "tsv"], NAME] = Field(
        default="csv", title="Extension", description="Packing adds its own."
    )
    compression: Annotated[
        Compression,
        NAME,
        Labels({"none": "none", "gzip": "gzip (.gz)", "zstd": "Zstandard (.zst)", "zip": "zip (.zip)"}),
    ] = Field(default="none", title="Packing", description="A zip holds one file.")
    empty_file: Annotated[
        Literal["none", "header", "zero"],
        NAME,
        Labels({"none": "no file", "header": "the header only", "zero": "0 bytes"}),
    ] = Field(default="none", title="Without rows", description="What a day without rows makes.")
    companion: Annotated[
        Literal["none", "done", "sha256", "manifest"],
        NAME,
        Labels({"none": "none", "done": "NAME.done", "sha256": "NAME.sha256", "manifest": "NAME.manifest.json"}),
    ] = Field(default="none", title="Companion file", description="Sent last: its being there says that all is there.")
    schedule: Annotated[str, SCHEDULE] = Field(
        default="daily 06:00",
        title="Schedule",
        description="daily 06:00 · weekdays mon,fri 06:00 18:00 · every 4 hours · cron 30 6 * * 1 · manual."
        " In the profile's time zone.",
        min_length=1,
        max_length=500,
    )
    catch_up: Annotated[
        Literal["one", "each", "skip"],
        SCHEDULE,
        Labels({"one": "one file for all", "each": "a file for each", "skip": "wait for the next"}),
    ] = Field(
        default="one", title="Missed times", description="After Waybill was away or the profile paused. No row is lost."
    )
    retention_days: Annotated[int, SCHEDULE] = Field(
        default=30, title="Keep files (days)", description="Then the bytes go; the history stays.", ge=1, le=3650
    )

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: Any) -> Any:
        """Take from the preset what is not given. The model's own findings tell what is wrong with a preset."""
        if not isinstance(given, Mapping):
            return given
        filled = dict(given)
        preset = filled.get("preset", cls.model_fields["preset"].default)
        for name, value in PRESETS.get(preset if isinstance(preset, str) else "", PRESETS["standard"]).items():
            keys = (to_camel(name), name)
            if all(filled.get(key) is None for key in keys):
                filled.pop(name, None)
                filled[keys[0]] = value
        if str(preset).startswith("excel") and not {"maxRows", "max_rows"} & filled.keys():
            filled["maxRows"] = EXCEL_ROWS
        return filled

    @field_validator("delimiter", mode="before")
    @classmethod
    def _by_word(cls, given: object) -> object:
        """Take "tab" and "pipe", too: a tab is hard to write and to see."""
        return {"tab": "\t", "\\t": "\t", "pipe": "|"}.get(given.lower(), given) if isinstance(given, str) else given

    @property
    def is_custom(self) -> bool:
        """Whether a setting differs from what the preset says: a page then names it Custom."""
        return any(getattr(self, name) != value for name, value in PRESETS[self.preset].items())
