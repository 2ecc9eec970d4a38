#!/usr/bin/env python3
"""Prints the Rust declarations of Kafka's messages from the schemas in Kafka's jars.

usage: print_messages.py LIBS [--check]

LIBS is the folder of the jars (tests/kafka/pom.xml). The declarations land in broker/protocol/src/messages and
messages.rs; with --check they are compared with what is there instead. The schemas are JSON with // comments, one per message.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "broker/protocol/src"
VERSION_MAX = 32767

# Folder of messages -> jar, and what the folder's file says.
FOLDERS = {
    "metadata_records": ("kafka-metadata", "The records of the metadata log (KIP-631)."),
    "group_records": ("kafka-group-coordinator", "The records of `__consumer_offsets`, keys and values."),
    "transaction_records": ("kafka-transaction-coordinator", "The records of `__transaction_state`, keys and values."),
    "share_records": ("kafka-share-coordinator", "The records of `__share_group_state`, keys and values."),
}
# Messages of kafka-clients that are neither request nor response, by folder.
OF_CLIENTS = {
    "header": (None, ["RequestHeader", "ResponseHeader"]),
    "control_records": ("The records of control batches and of snapshots' ends.", [
        "ControlRecordTypeSchema", "EndTxnMarker", "KRaftVersionRecord", "LeaderChangeMessage", "SnapshotFooterRecord",
        "SnapshotHeaderRecord", "VotersRecord"]),
    "client_data": ("What clients put into byte fields of messages.", [
        "ConsumerProtocolAssignment", "ConsumerProtocolSubscription", "DefaultPrincipalData"]),
}
TYPES = {
    "string": "ByteString", "bytes": "Bytes", "records": "Records", "uuid": "Uuid", "bool": "bool", "int8": "i8",
    "int16": "i16", "uint16": "u16", "int32": "i32", "uint32": "u32", "int64": "i64", "float64": "f64",
}


def snake(name):
    name = name.replace("KRaft", "Kraft").replace("V3AndBelow", "V3And_Below")
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"(?<=[A-Z])(?=[A-Z][a-z])", "_", name).replace("__", "_").lower()


def field_name(name):
    name = snake(name)
    return f"r#{name}" if name in ("type", "match", "ref", "move") else name


def without_comment(line):
    return re.sub(r'^(([^"]*"[^"]*")*[^"]*?)//.*$', r"\1", line)


def schemas(libs):
    """Every schema by jar and name."""
    found = {}
    for jar in sorted(libs.glob("kafka-*.jar")):
        stem = re.sub(r"-[0-9.]+$", "", jar.stem)
        with zipfile.ZipFile(jar) as archive:
            for entry in archive.namelist():
                if re.fullmatch(r"common/(message|metadata)/\w+\.json", entry):
                    text = archive.read(entry).decode()
                    schema = json.loads("\n".join(map(without_comment, text.splitlines())))
                    found.setdefault(stem, {})[schema["name"]] = schema
    return found


def versions(text):
    """A range as a pair, None for an empty one."""
    if text in (None, "none"):
        return None
    if text.endswith("+"):
        return int(text[:-1]), VERSION_MAX
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def meet(a, b):
    if a is None or b is None:
        return None
    first, last = max(a[0], b[0]), min(a[1], b[1])
    return (first, last) if first <= last else None


def spell(range_, whole):
    """A range for an attribute, seen from the versions that there are; None where it covers them."""
    first, last = range_
    if first <= whole[0] and last >= whole[1]:
        return None
    if last >= whole[1]:
        return f"{first}+"
    first = 0 if first <= whole[0] else first
    return f"{first}" if first == last else f"{first}-{last}"


class Message:
    def __init__(self, schema, prefix, taken):
        self.schema, self.prefix, self.taken = schema, prefix, taken
        self.whole = versions(schema["validVersions"])
        self.common = {struct["name"]: struct for struct in schema.get("commonStructs", [])}
        self.structs = []
        self.uses = set()

    def print(self, response):
        name = self.schema["name"]
        self.struct(name, self.schema["fields"], self.outermost(response), self.whole)
        for struct in self.common.values():
            self.struct(struct["name"], struct["fields"], [], self.whole)
        return "\n\n".join(self.structs)

    def outermost(self, response):
        schema, parts = self.schema, []
        if schema["type"] not in ("response", "header", "data") and "apiKey" in schema:
            parts.append(f"key = {schema['apiKey']}")
        if response:
            parts.append(f"response = {response}")
        first, last = self.whole
        parts.append(f'versions = "{first}-{last}"' if first != last else f'versions = "{first}"')
        flexible = meet(versions(schema["flexibleVersions"]), self.whole)
        if flexible:
            parts.append(f'flexible = "{flexible[0]}+"')
        kind = {"coordinator-key": "record key", "coordinator-value": "record value", "metadata": "record"}
        key = f", key {schema['apiKey']}" if "apiKey" in schema else ""
        span = f"version {first}" if first == last else f"versions {first} to {last}"
        words = snake(schema["name"]).replace("_", " ").capitalize()
        what = kind.get(schema["type"], "")
        what = f" ({what}{key})" if what else key
        unstable = " The last version is not stable yet." if schema.get("latestVersionUnstable") else ""
        return f"/// {words}{what}, {span}.{unstable}", f"#[message({', '.join(parts)})]"

    def name_of(self, struct):
        return self.prefix + struct if struct in self.taken else struct

    def struct(self, name, fields, head, seen):
        index = len(self.structs)
        self.structs.append("")
        doc, attribute = head or (None, None)
        lines = [doc] if doc else []
        lines.append("#[derive(Debug, Clone, PartialEq, Message)]")
        if attribute:
            lines.append(attribute)
        shown = name if head else self.name_of(name)
        body = [line for field in fields for line in self.field(field, seen)]
        lines.append(f"pub struct {shown} {{" + ("\n" + "\n".join(body) + "\n}" if body else "}"))
        self.structs[index] = "\n".join(lines)

    def field(self, field, seen):
        tagged = versions(field.get("taggedVersions"))
        range_ = meet(versions(field.get("versions")) or tagged, seen)
        if range_ is None:
            return []
        element = field["type"].removeprefix("[]")
        rust = TYPES.get(element) or self.nested(field, element, range_)
        if rust in ("ByteString", "Bytes", "Records", "Uuid"):
            self.uses.add(rust)
        if field["type"].startswith("[]"):
            rust = f"Vec<{rust}>"
        attributes = []
        if (spelled := spell(range_, seen)) is not None:
            attributes.append(f'versions = "{spelled}"')
        nullable = meet(versions(field.get("nullableVersions")), range_)
        if nullable:
            rust = f"Option<{rust}>"
            spelled = spell(nullable, range_)
            attributes.append(f'nullable = "{spelled}"' if spelled is not None else "nullable")
        if tagged:
            attributes.append(f"tag = {field['tag']}")
        if field.get("flexibleVersions") == "none":
            attributes.append("inflexible")
        if (default := self.default(field, nullable)) is not None:
            attributes.append(f"default = {default}")
        lines = [f"    #[field({', '.join(attributes)})]"] if attributes else []
        return lines + [f"    pub {field_name(field['name'])}: {rust},"]

    def nested(self, field, element, seen):
        if "fields" in field:
            self.struct(element, field["fields"], [], seen)
        return self.name_of(element)

    def default(self, field, nullable):
        """The default, None where Rust's is the same."""
        default = field.get("default")
        if field["type"] == "records" and nullable:
            return "null"
        if default in (None, ""):
            return None
        default = str(default).lower()
        if default == "null":
            return "null" if nullable else None
        if default in ("0", "false"):
            return None
        return default


def file_of(title, messages):
    """One Rust file of (schema, response name or None)."""
    taken = clashes([schema for schema, _ in messages])
    bodies, uses = [], set()
    for schema, response in messages:
        prefix = {"request": "Request", "response": "Response", "coordinator-key": "Key"}.get(schema["type"], "Value")
        message = Message(schema, prefix, taken)
        bodies.append(message.print(response))
        uses |= message.uses
    imports = ", ".join(sorted(uses | {"Message"}))
    return f"//! {title}\n\nuse crate::{{{imports}}};\n\n" + "\n\n".join(bodies) + "\n"


def clashes(all_schemas):
    def names(schema):
        found = {struct["name"] for struct in schema.get("commonStructs", [])}

        def walk(fields):
            for field in fields:
                if "fields" in field:
                    found.add(field["type"].removeprefix("[]"))
                    walk(field["fields"])

        walk(schema["fields"])
        return found

    seen, twice = set(), set()
    for schema in all_schemas:
        twice |= seen & names(schema)
        seen |= names(schema)
    return twice


def folder(title, files):
    """The Rust file of a folder: its modules and what they re-export. `files` is module -> (doc, names)."""
    modules = "".join(f"pub mod {module};\n" for module in sorted(files))
    exports = "".join(f"pub use {module}::{{{', '.join(names)}}};\n" for module, names in sorted(files.items()))
    if "topic_record" in files:
        exports += "pub use crate::metadata_record::MetadataRecord;\n"
    return f"//! {title}\n\n{modules}\n{exports}"


def valid(schema):
    return schema["validVersions"] != "none"


def print_all(found, target):
    clients = {name: schema for name, schema in found["kafka-clients"].items() if valid(schema)}
    apis, tables = {}, {}
    for name in sorted(name for name in clients if clients[name]["type"] == "request"):
        request, response = clients[name], clients[name.removesuffix("Request") + "Response"]
        api = name.removesuffix("Request")
        title = f"{api}: the request of key {request['apiKey']} and its response."
        text = file_of(title, [(request, response["name"]), (response, None)])
        write(target / f"{snake(api)}.rs", text)
        apis[snake(api)] = (request["apiKey"], [request["name"], response["name"]])
    headers = [(clients[name], None) for name in OF_CLIENTS["header"][1]]
    write(target / "header.rs", file_of("The headers of requests and responses.", headers))
    groups = {name: (title, [clients[n] for n in names]) for name, (title, names) in OF_CLIENTS.items() if title}
    groups |= {name: (title, list(found[jar].values())) for name, (jar, title) in FOLDERS.items()}
    for name, (title, group) in groups.items():
        files = {}
        for schema in sorted(group, key=lambda s: s["name"]):
            stem = re.sub(r"(Key|Value)$", "", schema["name"]) if schema["type"].startswith("coordinator") else schema["name"]
            files.setdefault(snake(stem), []).append(schema)
        for module, members in files.items():
            stem = members[0]["name"] if len(members) == 1 else re.sub(r"Key$", "", members[0]["name"])
            write(target / name / f"{module}.rs", file_of(f"{stem}, as Kafka writes it.", [(m, None) for m in members]))
        tables[name] = {module: [m["name"] for m in members] for module, members in files.items()}
        write(target / f"{name}.rs", folder(title, tables[name]))
    write(target.with_suffix(".rs"), root(apis, tables))


def root(apis, tables):
    """src/messages.rs."""
    modules = sorted([*apis, *tables, "header"])
    exports = {module: names for module, (_, names) in apis.items()} | {"header": OF_CLIENTS["header"][1]}
    requests = "".join(f"        {names[0]} {names[1]},\n" for _, names in sorted(apis.values()))
    records = "".join(f"        {group}::{name},\n" for group, files in tables.items()
                      for name in sorted(name for names in files.values() for name in names))
    return f"""\
//! Every message of Kafka 4.3, one file per API, and the records of its logs, one folder per log.
//!
//! These declarations are printed from Kafka's schemas by tests/golden/print_messages.py, so a change belongs there.

#![allow(missing_docs, reason = "the fields have the names and the meaning that Kafka's schemas give them")]

{"".join(f"pub mod {module};" + chr(10) for module in modules)}
{"".join(f"pub use {module}::{{{', '.join(names)}}};" + chr(10) for module, names in sorted(exports.items()))}
crate::catalogue::catalogue! {{
    requests {{
{requests}    }}
    others {{
        header::RequestHeader,
        header::ResponseHeader,
{records}    }}
}}
"""


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def rustfmt(folder):
    files = [str(path) for path in folder.rglob("*.rs")]
    subprocess.run(["rustfmt", "--edition", "2024", "--config-path", str(ROOT / "rustfmt.toml"), *files], check=True)


def difference(printed, present):
    def content(source):
        paths = [source / "messages.rs", *(source / "messages").rglob("*.rs")]
        return {path.relative_to(source): path.read_text() for path in paths if path.exists()}

    ours, theirs = content(printed), content(present)
    return sorted(str(path) for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path))


def main():
    libs, check = Path(sys.argv[1]), "--check" in sys.argv[2:]
    with tempfile.TemporaryDirectory() as scratch:
        printed = Path(scratch)
        print_all(schemas(libs), printed / "messages")
        rustfmt(printed)
        if check and (changed := difference(printed, SOURCE)):
            sys.exit("declarations differ from Kafka's schemas: " + ", ".join(changed))
        if not check:
            shutil.rmtree(SOURCE / "messages", ignore_errors=True)
            shutil.copytree(printed, SOURCE, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
