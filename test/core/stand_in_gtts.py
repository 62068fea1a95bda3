"""A server on this machine in place of Google's, and sounds for it to give."""

import base64
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import io
import threading
import wave

import numpy as np


def tone(seconds: float = 0.5, rate_hz: int = 22050) -> bytes:
    """WAV file of a tone."""
    samples = 12000 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate_hz)) / rate_hz)
    buffer = io.BytesIO()
    with wave.open(buffer, 'wb') as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype('<i2').tobytes())
    return buffer.getvalue()


class StandIn:
    """Answers as gTTS expects it; `manner` is answers, stalls, fails, rubbish or empty."""

    def __init__(self):
        """Serve at once, on a free port."""
        self.manner, self.asked = 'answers', []
        self._ending = threading.Event()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length'])).decode()
                stand_in.asked.append(body)
                if stand_in.manner == 'stalls':
                    stand_in._ending.wait(30)
                    return
                sound = {'answers': tone(), 'rubbish': b'this is no sound at all' * 50}.get(
                    stand_in.manner, b'')
                line = f'["wrb.fr","jQ1olc","[\\"{base64.b64encode(sound).decode()}\\"]",null]'
                answer = b'<html>no</html>' if stand_in.manner == 'empty' else line.encode()
                self.send_response(503 if stand_in.manner == 'fails' else 200)
                self.send_header('Content-Length', str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self._server.daemon_threads = True
        self.url = f'http://127.0.0.1:{self._server.server_address[1]}/'
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self):
        """Hang up."""
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def instead_of_google():
    """Let gTTS ask the stand-in; gives it."""
    from gtts import tts
    stand_in, real = StandIn(), tts._translate_url
    tts._translate_url = lambda tld='com', path='': stand_in.url + path
    try:
        yield stand_in
    finally:
        tts._translate_url = real
        stand_in.close()
