#!/usr/bin/env python3
"""Runs download_data.sh against a server of its own, which misbehaves as servers do.

Made-up files with the headers and footers of the real ones; cut off, stalled, missing, redirected,
resumed with and without ranges, changed behind one's back. Once with curl and once with wget, as
far as they are there. No network.

Usage: tools/download_self_test.py
Exit code 0 if all is well, 1 with one line per fault.
"""

import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent / "download_data.sh"
NAMES = b"".join(b"name%d\n" % i for i in range(3000))
BOOKS = ["1342", "84", "2701", "1661", "11"]
# As in the files of today: BOM, CRLF, curly quotes, one marker line; credits; licence.
TODAY = (
    "\ufeffThe Project Gutenberg eBook of A Book\r\n\r\nThis ebook is for the use of anyone.\r\n\r\n"
    "*** START OF THE PROJECT GUTENBERG EBOOK A BOOK ***\r\n\r\nProduced by Some\r\nVolunteers\r\n\r\n"
    "\r\nCHAPTER I.\r\n\r\n\u201cIt\u2019s {n},\u201d she said.\r\n\r\n*** a line of stars ***\r\n"
    "the end.\r\n\r\n\r\n*** END OF THE PROJECT GUTENBERG EBOOK A BOOK ***\r\n\r\n"
    "Section 1. General Terms of Use and Redistributing Project Gutenberg\r\n"
)
# As in older ones: a marker of two lines, another article, a farewell.
OLDER = (
    "Project Gutenberg's A Book, by Somebody\n\n*** START OF THIS PROJECT GUTENBERG EBOOK A BOOK\n"
    "OF TWO LINES ***\n\n\nCHAPTER I.\n\n\"It's {n},\" she said.\n\n*** a line of stars ***\n"
    "the end.\n\nEnd of the Project Gutenberg EBook of A Book, by Somebody\n\n"
    "***END OF THIS PROJECT GUTENBERG EBOOK A BOOK***\n\nlicence\n"
)
PLAIN = "CHAPTER I.\n\n\"It's {n},\" she said.\n\n*** a line of stars ***\nthe end.\n"


def book(number):
    return (OLDER if number in ("84", "11") else TODAY).format(n=number).encode()


CONTENT = {"names.txt": NAMES, "input.txt": b"First Citizen:\nSpeak.", "train.txt": b" = Train = \n"}
CONTENT |= {"valid.txt": b" = Valid = \n", "test.txt": b" = Test = \n"}
CONTENT |= {f"pg{number}.txt": book(number) for number in BOOKS}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT under /MODE/..., with what the mode says going wrong."""

    requests = []

    def log_message(self, *_):
        pass

    def do_GET(self):
        try:
            self.answer()
        except OSError:
            pass  # Whoever asked is gone.

    def answer(self):
        mode, name = self.path.split("/")[1], self.path.split("/")[-1]
        start = int(self.headers.get("Range", "bytes=0-").split("=")[1].split("-")[0])
        first = not any(path == self.path for path, _ in self.requests)
        self.requests.append((self.path, start))
        body = CONTENT.get(name)
        if mode == "missing" or body is None:
            return self.send_error(404)
        if mode == "moved":
            self.send_response(302)
            self.send_header("Location", self.path.replace("/moved/", "/good/"))
            return self.end_headers()
        if mode == "page":
            body = b"<!DOCTYPE html><html>Please log in</html>"
        if mode == "cutbook":
            body = body[: body.index(b"END OF TH")]
        if mode == "changed":
            body = body.replace(b"name7\n", b"name8\n")
        if mode == "norange":
            start = 0
        if start >= len(body):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        half = start + (len(body) - start) // 2
        if mode == "cut" or (mode in ("flaky", "norange") and first):
            self.wfile.write(body[start:half])
        elif mode == "stall":
            self.wfile.write(body[start:half])
            self.wfile.flush()
            time.sleep(5)
        else:
            self.wfile.write(body[start:])


class Test:
    """One folder, one tool; counts faults."""

    def __init__(self, port, tool, folder):
        self.port, self.tool, self.folder, self.faults = port, tool, folder, 0

    def expect(self, what, holds):
        if not holds:
            print(f"download_self_test: {self.tool}: {what}")
            self.faults += 1

    def run(self, what, mode, sets, code, words=""):
        """Downloads `sets` in `mode`; returns the folder's whole files."""
        base = f"http://127.0.0.1:{self.port}/{mode}"
        variables = {f"MGPT_{s}_URL": base for s in ["NAMES", "WIKITEXT2", "TINYSHAKESPEARE"]}
        variables |= {"MGPT_GUTENBERG_URL": base, "MGPT_FETCH": self.tool}
        # Patience for a loaded machine; with a server that says nothing it would only take longer.
        variables |= {"MGPT_STALL": "1" if mode == "stall" else "30", "MGPT_TRIES": "2"}
        Handler.requests.clear()
        done = subprocess.run(
            [SCRIPT, "--out", self.folder, *sets], env=os.environ | variables,
            capture_output=True, text=True, check=False, timeout=60)
        said = done.stdout + done.stderr
        self.expect(f"{what}: exit {done.returncode}, expected {code}: {said}",
                    done.returncode == code)
        self.expect(f"{what}: said {said!r}, expected {words!r}", words in said)
        if code:
            self.expect(f"{what}: more than one line: {said!r}",
                        len(done.stderr.splitlines()) == 1)
        return {p.name: p.read_bytes() for p in self.folder.glob("[!.S]*")}

    def empty(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def whole_files(self):
        files = self.run("everything", "good", [], 0)
        self.expect("names", files.get("names.txt") == NAMES)
        for number in BOOKS:
            found = files.get(f"gutenberg-{number}.txt", b"").decode()
            self.expect(f"book {number}: {found!r}", found == PLAIN.format(n=number))
        combined = files.get("training_data.txt", b"").decode()
        parts = [PLAIN.format(n=n) for n in BOOKS] + ["First Citizen:\nSpeak.\n", " = Train = \n"]
        self.expect("combined", combined == "<|endoftext|>\n".join(parts))
        self.expect("nothing aside", not list(self.folder.glob(".*")))
        again = self.run("again", "missing", [], 0, "names.txt is there")
        self.expect("again: the same", again == files and not Handler.requests)
        (self.folder / "names.txt").write_bytes(NAMES[:-1])
        self.run("edited", "good", ["names"], 65, "is not what was downloaded")
        (self.folder / "names.txt").unlink()
        self.expect("changed", "names.txt" not in self.run(
            "changed", "changed", ["names"], 65, "damaged or has changed"))
        self.run("once more", "good", ["names"], 0, "names.txt: ")
        self.empty()

    def failures(self):
        for what, mode, sets, code, words in [
            ("404", "missing", ["names"], 69, "404"),
            ("cut off", "cut", ["names"], 69, "can't be downloaded"),
            ("stalled", "stall", ["names"], 69, "can't be downloaded"),
            ("a web page", "page", ["names"], 65, "is a web page"),
            ("a book cut off", "cutbook", ["gutenberg"], 65, "is not whole"),
            ("nobody there", "../x", ["nothing"], 64, 'no data set "nothing"'),
        ]:
            self.expect(f"{what}: a file is there", not self.run(what, mode, sets, code, words))
            self.empty()
        self.expect("redirect", self.run("redirect", "moved", ["names"], 0) == {"names.txt": NAMES})
        self.empty()

    def resumption(self):
        files = self.run("resumed", "flaky", ["names"], 0)
        self.expect("resumed: content", files == {"names.txt": NAMES})
        self.expect(f"resumed: {Handler.requests}", Handler.requests[-1][1] > 0)
        self.empty()
        files = self.run("no ranges", "norange", ["names"], 0)
        self.expect("no ranges: content", files == {"names.txt": NAMES})
        self.empty()
        self.run("broken off", "cut", ["names"], 69)
        part = self.folder / ".names.txt.part"
        kept = part.stat().st_size if part.exists() else 0
        self.expect("broken off: nothing kept", kept > 0)
        files = self.run("later", "good", ["names"], 0)
        self.expect("later: content", files == {"names.txt": NAMES})
        self.expect(f"later: {Handler.requests}", Handler.requests[0][1] == kept)
        self.empty()


def main():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    faults = 0
    if not any(map(shutil.which, ["curl", "wget"])):
        print("downloads: not tested, there is neither curl nor wget")
    with tempfile.TemporaryDirectory() as folder:
        for tool in filter(shutil.which, ["curl", "wget"]):
            test = Test(server.server_port, tool, Path(folder) / "data")
            test.whole_files()
            test.failures()
            test.resumption()
            faults += test.faults
    server.shutdown()
    print(f"download_self_test: {faults} faults" if faults else "downloads: all good")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
