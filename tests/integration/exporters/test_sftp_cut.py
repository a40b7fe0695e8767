"""A line to an SFTP server that breaks after so many bytes, at every place where that matters."""

from __future__ import annotations

import pytest

from exporters.errors import ExporterError
from exporters.ftp_settings import FtpSettings
from tests.cutter import Cutter
from tests.file_servers import OpenSsh
from tests.integration.exporters.uploads import a_folder, door

STEP = 28


@pytest.mark.slow
def test_a_line_that_breaks_while_a_file_is_looked_for_does_not_make_it_be_there():
    """libcurl calls that a success: a file of unknown size. A partner's file would seem to stand in the way."""
    answers: list[object] = []
    with a_folder() as folder, OpenSsh(folder) as server, Cutter(server.port, budget=0, part=1) as line:
        place = FtpSettings.model_validate(server.document(port=line.port)).place
        for budget in range(2200, 2720, STEP):
            line.budget = budget
            try:
                with door().folder(place) as remote:
                    answers.append(remote.size("in/missing.csv"))
            except ExporterError as error:
                answers.append(type(error))
    assert answers[-1] is None  # so much it takes to be answered
    assert [answer for answer in answers if isinstance(answer, int)] == []
