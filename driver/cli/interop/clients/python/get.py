"""Fetches one URL through a proxy and writes the body to standard output.

    get.py LIBRARY PROXY CA URL
"""

import asyncio
import ssl
import sys
import urllib.request


def with_requests(proxy, ca, url):
    import requests

    answer = requests.get(url, proxies={"http": proxy, "https": proxy}, verify=ca, timeout=60)
    answer.raise_for_status()
    return answer.content


def with_httpx(proxy, ca, url):
    import httpx

    with httpx.Client(proxy=proxy, verify=ssl.create_default_context(cafile=ca), http2=True, timeout=60) as client:
        answer = client.get(url)
        answer.raise_for_status()
        return answer.content


def with_aiohttp(proxy, ca, url):
    import aiohttp

    async def get():
        context = ssl.create_default_context(cafile=ca)
        async with aiohttp.ClientSession() as session:
            async with session.get(url, proxy=proxy, ssl=context) as answer:
                answer.raise_for_status()
                return await answer.read()

    return asyncio.run(get())


def with_urllib(proxy, ca, url):
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({"http": proxy, "https": proxy}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca)),
    )
    with opener.open(url, timeout=60) as answer:
        return answer.read()


if __name__ == "__main__":
    library, proxy, ca, url = sys.argv[1:]
    sys.stdout.buffer.write(globals()["with_" + library](proxy, ca, url))
