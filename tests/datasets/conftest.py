"""A server for downloads."""

import functools
import http.server
import threading

import pytest


@pytest.fixture
def server(tmp_path):
    """Serves the files in the folder it returns, and its address."""
    root = tmp_path / 'served'
    root.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=root)
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield root, f'http://127.0.0.1:{httpd.server_port}/'
        httpd.shutdown()
        thread.join()
