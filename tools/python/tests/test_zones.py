"""Time zones which lie in no file."""

import tempfile
import unittest
import zoneinfo
from pathlib import Path
from unittest import mock

from palisade import zones


class Zones(unittest.TestCase):
    def test_zones_come_from_memory(self):
        with tempfile.TemporaryDirectory() as folder:
            tzdata = Path(folder)
            (tzdata / "zones").write_text("Far/Away\n")
            (tzdata / "zoneinfo/Far").mkdir(parents=True)
            # No transition, one type of local time: an hour before UTC.
            data = b"TZif" + bytes(16 + 4 * 4) + b"\0\0\0\1\0\0\0\4" + b"\0\0\x0e\x10\0\0AWY\0"
            (tzdata / "zoneinfo/Far/Away").write_bytes(data)
            with (
                mock.patch.object(zones.resources, "files", lambda _: tzdata),
                mock.patch.object(zoneinfo._common, "load_tzdata"),
                mock.patch.object(zoneinfo, "available_timezones"),
            ):
                self.addCleanup(zoneinfo.reset_tzpath)
                zones.load()
                self.assertEqual(zoneinfo.available_timezones(), {"Far/Away"})
                self.assertEqual(zoneinfo.ZoneInfo.no_cache("Far/Away").key, "Far/Away")
                with self.assertRaises(zoneinfo.ZoneInfoNotFoundError):
                    zoneinfo.ZoneInfo.no_cache("Europe/Berlin")


if __name__ == "__main__":
    unittest.main()
