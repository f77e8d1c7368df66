"""A served run under concurrent clients: errors, and how long the slowest wait beside one client alone.

    python benchmarks/serve_load.py RUN PICTURE [--clients 1 4 16] [--requests 96]

The server runs as a process of its own by the command line; each client uploads the picture and asks, one request
after another. Clients alone and together take turns in one run of this file.
"""

import argparse
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gradio_client import Client, handle_file


def ask(address: str, picture: str, requests: int, name: int) -> list[tuple[float, str]]:
    client = Client(address, verbose=False)
    found = []
    for number in range(requests):
        start = time.perf_counter()
        try:
            *_, answer = client.predict(handle_file(picture), f"client {name} asks {number}", api_name="/answer")
            word = "answered" if "probs" in answer else f"refused: {answer.get('error')}"
        except Exception as error:  # whatever a client sees counts
            word = f"{type(error).__name__}: {error}"
        found.append((1e3 * (time.perf_counter() - start), word))
    return found


def serve(run: Path) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", "from interfuse.cli.main import run; run()", "serve", str(run)]
    process = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}/"
    for _ in range(240):
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return process, address
        except OSError:
            time.sleep(0.5)
    raise SystemExit("The server did not answer within two minutes.")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("picture")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--requests", type=int, default=96, help="in all, for each number of clients")
    given = parser.parse_args()
    process, address = serve(given.run)
    try:
        ask(address, given.picture, 3, 0)
        print("| clients | requests | a second | median ms | 95 % ms | slowest ms | slowest / single median | other |")
        print("|--:|--:|--:|--:|--:|--:|--:|---|")
        single = 0.0
        for clients in given.clients:
            start = time.perf_counter()
            with ThreadPoolExecutor(clients) as pool:
                each = -(-given.requests // clients)
                parts = list(pool.map(lambda name, n=each: ask(address, given.picture, n, name), range(clients)))
            seconds = time.perf_counter() - start
            answers = [one for part in parts for one in part]
            times = sorted(ms for ms, _ in answers)
            single = single or statistics.median(times)
            other = dict(Counter(word for _, word in answers if word != "answered"))
            tail = times[min(len(times) - 1, int(0.95 * len(times)))]
            print(
                f"| {clients} | {len(times)} | {len(times) / seconds:.1f} | {statistics.median(times):.0f} | "
                f"{tail:.0f} | {times[-1]:.0f} | {times[-1] / single:.1f} | {other or 'no error'} |",
                flush=True,
            )
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
