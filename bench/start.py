"""Start-up time and idle memory of one broker process.

A run starts the broker on an empty data directory (formatting included) and again on the same directory, sends a
Metadata request (version 1, all topics) over a fresh connection until one is answered, and reads RssAnon + RssFile
from /proc once the process has been idle for IDLE_SECONDS.
"""

import os
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

IDLE_SECONDS = 3.0
DEADLINE_SECONDS = 30.0
METADATA_V1 = struct.pack(">hhih", 3, 1, 7, -1) + struct.pack(">i", -1)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answered(port):
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(struct.pack(">i", len(METADATA_V1)) + METADATA_V1)
            connection.settimeout(DEADLINE_SECONDS)
            head = connection.recv(8, socket.MSG_WAITALL)
            return len(head) == 8 and struct.unpack(">ii", head)[1] == 7
    except OSError:
        return False


def resident_kib(pid):
    fields = dict(line.split(":", 1) for line in open(f"/proc/{pid}/status"))
    return sum(int(fields[name].split()[0]) for name in ("RssAnon", "RssFile"))


def start(broker, data, idle):
    ports = [free_port() for _ in range(3)]
    began = time.monotonic()
    process = subprocess.Popen(
        [
            broker,
            "--http-listen", f"127.0.0.1:{ports[2]}",
            "--override", f"listeners=PLAINTEXT://127.0.0.1:{ports[0]},CONTROLLER://127.0.0.1:{ports[1]}",
            "--override", f"advertised.listeners=PLAINTEXT://127.0.0.1:{ports[0]}",
            "--override", f"log.dirs={data}",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        while not answered(ports[0]):
            if process.poll() is not None or time.monotonic() - began > DEADLINE_SECONDS:
                sys.exit(f"broker did not answer within {DEADLINE_SECONDS} s, exit status {process.poll()}")
            time.sleep(0.001)
        seconds = time.monotonic() - began
        memory = None
        if idle:
            time.sleep(IDLE_SECONDS)
            memory = resident_kib(process.pid)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=DEADLINE_SECONDS)
        return seconds, memory
    finally:
        if process.poll() is None:
            process.kill()


def main():
    broker, runs = sys.argv[1], int(sys.argv[2])
    first, again, memory = [], [], []
    for run in range(runs):
        with tempfile.TemporaryDirectory() as data:
            first.append(start(broker, os.path.join(data, "d"), idle=False)[0])
            seconds, kib = start(broker, os.path.join(data, "d"), idle=run == 0)
            again.append(seconds)
            if kib:
                memory.append(kib)
    for name, values in (("first start", first), ("start again", again)):
        print(f"{name}: median {statistics.median(values) * 1000:.0f} ms, max {max(values) * 1000:.0f} ms, {runs} runs")
    print(f"idle resident memory: {max(memory) / 1024:.1f} MiB (anonymous + file)")


if __name__ == "__main__":
    main()
