"""A device as engineers test them: it logs in, polls, updates itself, reports and listens.

It trusts one CA, reaches everything through a proxy, tries again after a
failure, resumes a download, and refuses an image whose hash is wrong.
"""

import hashlib
import ssl
import time
import urllib.parse

import requests
import websocket

API = "https://api.device.example"


class Refused(Exception):
    """The device does not accept the answer of a server, and does not try again."""


class Device:
    """One device. attempts is how often it tries a step, pause the time between in seconds."""

    def __init__(self, proxy, ca, attempts=6, pause=0.05, timeout=10):
        self.proxy, self.ca = proxy, ca
        self.attempts, self.pause, self.timeout = attempts, pause, timeout
        self.failures = []  # of attempts, as texts
        self.token = ""
        self.session = self._new_session()

    def _new_session(self):
        session = requests.Session()
        session.trust_env = False
        session.proxies = {"http": self.proxy, "https": self.proxy}
        session.verify = self.ca
        return session

    def close(self):
        self.session.close()

    def _retry(self, step, *args):
        """The result of the step, tried again after failures of the network and of the server."""
        for attempt in range(self.attempts):
            if attempt:
                time.sleep(self.pause)
            try:
                return step(*args)
            except requests.exceptions.SSLError:
                raise  # a forged server does not get better
            except (requests.RequestException, websocket.WebSocketException, OSError, EOFError) as e:
                self.failures.append(f"{step.__name__}: {type(e).__name__}: {e}")
                self.session.close()
                self.session = self._new_session()
        raise TimeoutError(f"{step.__name__}: given up after {self.attempts} attempts: {self.failures[-1]}")

    def _get(self, path, **headers):
        answer = self.session.get(
            urllib.parse.urljoin(API, path), headers={"Authorization": f"Bearer {self.token}", **headers}, timeout=self.timeout
        )
        if answer.status_code >= 500 or answer.status_code == 429:
            answer.raise_for_status()
        return answer

    def login(self):
        def login():
            answer = self.session.post(f"{API}/login", json={"serial": "A-17"}, timeout=self.timeout)
            answer.raise_for_status()
            return answer.json()["token"]

        self.token = self._retry(login)

    def poll(self):
        """The settings that the server wants."""
        def poll():
            answer = self._get("/settings")
            if answer.status_code == 401:
                self.login()
                answer = self._get("/settings")
            return answer.json()

        return self._retry(poll)

    def telemetry(self, values):
        """Report values. It returns how many attempts that took."""
        before = len(self.failures)

        def report():
            answer = self.session.post(
                f"{API}/telemetry", json=values, headers={"Authorization": f"Bearer {self.token}"}, timeout=self.timeout
            )
            answer.raise_for_status()

        self._retry(report)
        return len(self.failures) - before + 1

    def update(self):
        """Download the offered image and return it. A download that broke off is resumed."""
        offer = self.poll()["firmware"]
        image, tag = bytearray(), ""

        def download():
            nonlocal tag
            ask = {"Accept-Encoding": "identity"}
            if image:
                ask |= {"Range": f"bytes={len(image)}-", "If-Range": tag}
            with self.session.get(f"{API}{offer['path']}", headers=ask, timeout=self.timeout, stream=True) as answer:
                answer.raise_for_status()
                if answer.status_code != 206:
                    image.clear()  # all of it comes again
                tag = answer.headers.get("ETag", "")
                for piece in answer.iter_content(4096):
                    image.extend(piece)
                    if len(image) > offer["size"]:
                        raise Refused("the image is longer than it should be")
            if len(image) < offer["size"]:
                raise EOFError(f"{len(image)} of {offer['size']} bytes")

        self._retry(download)
        if hashlib.sha256(image).hexdigest() != offer["sha256"]:
            raise Refused("the image has another hash than the offer")
        return bytes(image)

    def listen(self, count):
        """The first messages of the server's channel."""
        def listen():
            host, _, port = self.proxy.removeprefix("http://").partition(":")
            socket = websocket.create_connection(
                f"{API.replace('https', 'wss')}/events", timeout=self.timeout, http_proxy_host=host, http_proxy_port=int(port),
                proxy_type="http", sslopt={"context": ssl.create_default_context(cafile=self.ca)},
            )
            try:
                socket.send("hello")
                return [socket.recv() for _ in range(count)]
            finally:
                socket.close()

        return self._retry(listen)

    def day(self):
        """All that the device does, once. It returns what it learnt."""
        self.login()
        settings = self.poll()
        image = self.update()
        self.telemetry({"temperature": 21.5, "image": len(image)})
        return {"settings": settings["interval"], "image": hashlib.sha256(image).hexdigest(), "events": self.listen(3)}
