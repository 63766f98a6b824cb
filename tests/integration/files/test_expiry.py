"""Files that are to live for a time only."""

import pytest
from openai import NotFoundError

from tests.integration.files.serving import Home
from tests.integration.files.waiting import wait_until


def test_an_expired_file_is_gone_and_so_is_its_content(home: Home) -> None:
    with home.serve(ttl_secs=2, sweep_interval_secs=1) as server:
        files = server.openai.files
        file = files.create(file=("f", b"x"), purpose="assistants")
        assert file.expires_at == file.created_at + 2
        assert home.place.objects() == {file.id}
        wait_until(lambda: not list(files.list()))
        for use in (files.retrieve, files.content, files.delete):
            with pytest.raises(NotFoundError):
                use(file.id)
        wait_until(lambda: not home.place.objects())
