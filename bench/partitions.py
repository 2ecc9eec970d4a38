"""What many partitions cost one broker process: descriptors, memory, idle CPU, and both kinds of start.

The broker gets TOPICS topics of PARTITIONS partitions, one record batch is produced into each, and it idles. Then it is
stopped in order and started again, written to again, killed, and started again. A start lasts until a Metadata request for
all topics is answered over a fresh connection. Bounds are those that a release is held to; the last column says
whether they were met.
"""

import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

from start import answered, free_port, resident_kib

DEADLINE_SECONDS = 120.0
TOPICS = 10
PARTITIONS = 1000
SETTLE_SECONDS = 8.0
IDLE_SECONDS = 30.0
CLIENT = b"partitions"
BATCH_RECORDS = 1


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 & -(crc & 1))
    return crc ^ 0xFFFFFFFF


def record_batch():
    value = b"position 52.5200 13.4050"
    body = b"\0" + b"\0" + b"\0" + b"\x01" + bytes([len(value) * 2]) + value + b"\0"
    record = bytes([len(body) * 2]) + body
    now = int(time.time() * 1000)
    covered = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, BATCH_RECORDS) + record
    head = struct.pack(">iBI", 0, 2, crc32c(covered))
    return struct.pack(">qi", 0, len(head) + len(covered)) + head + covered


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


class Connection:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_SECONDS)

    def exchange(self, key, version, body):
        frame = struct.pack(">hhih", key, version, 7, len(CLIENT)) + CLIENT + body
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)
        size = struct.unpack(">i", self.receive(4))[0]
        return self.receive(size)[4:]

    def receive(self, size):
        parts = bytearray()
        while len(parts) < size:
            part = self.socket.recv(size - len(parts))
            if not part:
                sys.exit("the broker closed the connection")
            parts += part
        return bytes(parts)


def topic_names():
    return [f"fleet.positions.{number}" for number in range(TOPICS)]


def create_topics(port):
    connection = Connection(port)
    for name in topic_names():
        topic = text(name) + struct.pack(">ihii", PARTITIONS, 1, 0, 0)
        answer = connection.exchange(19, 2, struct.pack(">i", 1) + topic + struct.pack(">ib", 30_000, 0))
        code = struct.unpack_from(">h", answer, 8 + 2 + len(name))[0]
        if code:
            sys.exit(f"CreateTopics answered {code}")


def produce_everywhere(port, batch):
    connection = Connection(port)
    records = struct.pack(">i", len(batch)) + batch
    for name in topic_names():
        partitions = b"".join(struct.pack(">i", index) + records for index in range(PARTITIONS))
        topic = text(name) + struct.pack(">i", PARTITIONS) + partitions
        answer = connection.exchange(0, 7, struct.pack(">hhii", -1, -1, 30_000, 1) + topic)
        at = 4 + 2 + len(name) + 4
        for _ in range(PARTITIONS):
            index, code = struct.unpack_from(">ih", answer, at)
            if code:
                sys.exit(f"Produce answered {code} for {name}-{index}")
            at += 4 + 2 + 8 + 8 + 8


def start(broker, data):
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
        stdout=subprocess.DEVNULL,
        stderr=open(f"{data}.log", "ab"),
    )
    while not answered(ports[0]):
        if process.poll() is not None or time.monotonic() - began > DEADLINE_SECONDS:
            sys.exit(f"broker did not answer within {DEADLINE_SECONDS} s, exit status {process.poll()}")
        time.sleep(0.001)
    seconds = time.monotonic() - began
    return process, ports[0], (seconds, cpu_seconds(process.pid))


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def idle_percent(pid):
    time.sleep(SETTLE_SECONDS)
    before, began = cpu_seconds(pid), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return 100 * (cpu_seconds(pid) - before) / (time.monotonic() - began)


def timed(work, *arguments):
    began = time.monotonic()
    work(*arguments)
    return time.monotonic() - began


def stop(process):
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=DEADLINE_SECONDS)


def report(name, value, unit, bound=None):
    met = "" if bound is None else f"  (to reach: {bound:g}){'' if value <= bound else '  MISSED'}"
    print(f"{name:<34}{value:>9.2f} {unit}{met}")


def run(broker, data):
    batch = record_batch()
    process, port, _ = start(broker, data)
    try:
        print(f"{TOPICS} topics of {PARTITIONS} partitions, a record batch in each, twice")
        report("topics created in", timed(create_topics, port), "s")
        report("one batch produced into each in", timed(produce_everywhere, port, batch), "s")
        report("descriptors", len(os.listdir(f"/proc/{process.pid}/fd")), "", 500)
        report("resident memory", resident_kib(process.pid) / 1024, "MiB", 150)
        report("idle CPU", idle_percent(process.pid), "%", 1)
        report("orderly stop", timed(stop, process), "s")
        process, port, (seconds, processor) = start(broker, data)
        report("start after an orderly stop", seconds, "s", 1)
        report("  processor time of it", processor, "s")
        report("resident memory after it", resident_kib(process.pid) / 1024, "MiB", 150)
        produce_everywhere(port, batch)
        process.kill()
        process.wait()
        process, port, (seconds, processor) = start(broker, data)
        report("start after a kill", seconds, "s", 5)
        report("  processor time of it", processor, "s")
        produce_everywhere(port, batch)
        report("descriptors", len(os.listdir(f"/proc/{process.pid}/fd")), "", 500)
        report("resident memory", resident_kib(process.pid) / 1024, "MiB", 150)
        report("idle CPU", idle_percent(process.pid), "%", 1)
    finally:
        process.kill()


with tempfile.TemporaryDirectory(prefix="milena-bench-") as folder:
    run(os.path.realpath(sys.argv[1]), os.path.join(folder, "data"))
