"""The time zones of the world, in memory: there are no files of them in a sandbox."""

import io
import zoneinfo
from importlib import resources
from zoneinfo import _common

_zones = {}


def load():
    """Reads those of the package tzdata, which is there while the component is made."""
    folder = resources.files("tzdata")
    for key in folder.joinpath("zones").read_text(encoding="utf-8").split():
        _zones[key] = folder.joinpath("zoneinfo", *key.split("/")).read_bytes()
    zoneinfo.reset_tzpath(())
    # zoneinfo asks this where no file of the system has a zone.
    _common.load_tzdata = _open
    zoneinfo.available_timezones = lambda: set(_zones)


def _open(key):
    try:
        return io.BytesIO(_zones[key])
    except KeyError:
        raise zoneinfo.ZoneInfoNotFoundError(f"No time zone found with key {key}") from None
