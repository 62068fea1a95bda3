"""The variables of `make studio`, as the studio reads them in the end."""

import pytest
from run_studio import command


def test_the_variables_become_arguments(monkeypatch):
    page = pytest.importorskip('training.studio.__main__')
    url = "http://robot:8080/stream?topic=/image_raw&width=320 'x'"
    words = command({'SOURCE': url, 'PORT': '0', 'ARGS': "--projects '/tmp/my projects'"})
    monkeypatch.setattr('sys.argv', words[2:])
    args = page.parse()
    assert (args.source, args.port, str(args.projects)) == (url, 0, '/tmp/my projects')
    monkeypatch.setattr('sys.argv', command({})[2:])
    args = page.parse()
    assert (args.source, args.port, args.host) == ('', 8090, '127.0.0.1')


def test_a_port_that_is_no_number_is_told():
    with pytest.raises(ValueError, match="PORT is '80a'"):
        command({'PORT': '80a'})
