#!/usr/bin/env python3
"""Writes docs/isolation.md: what the attempts of tests/plugins/escape come to as commands of this runtime, in its sandbox and (as root, where it is
installed) under `isolation: crun`, and under bubblewrap.

Usage: scripts/isolation_table.py        (after ./build.sh build; needs bwrap)

Everything in the table was run when the file was written. The room "greed" is not run under bubblewrap, which sets no limits: it
would take the host's memory and processes.
"""
import datetime
import json
import os
import pathlib
import platform
import shutil
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "out/native/release/tests/plugins/escape_program"
WAYANG = ROOT / "out/managed/bin/Wayang.Fast.Host/release/wayang"
NATIVE = ROOT / "out/native/release/stage"
ROOMS = {"files": "File system", "mounts": "Mounts and namespaces", "kernel": "Kernel surfaces", "looser": "Loosening the sandbox",
         "network": "Network", "tasks": "Other tasks", "greed": "Resources"}
PLUGINS = ROOT / "out/native/release/tests/plugins"
ENDLESS = {"processor_hog", "sleep_for_ever", "ignore_term"}
START = "cat > /tmp/escape && chmod 700 /tmp/escape && exec /tmp/escape "
PATIENCE = 60


def attempts():
    """Room and names, in the order of the sources."""
    told = subprocess.run([PROGRAM], capture_output=True, text=True, check=True).stdout.split()
    for room in ROOMS:
        text = (ROOT / f"tests/plugins/escape/{room}.c").read_text()
        yield room, [name for name in told if f'{{"{name}", ' in text]


def verdict(name, output):
    lines = output.decode(errors="replace").rstrip("\n").split("\n")
    return lines[-1][len(name) + 1:] if lines[-1].startswith(name + " ") else None


def make_root(root):
    """What an attempt needs, with its libraries: the root of an image."""
    for directory in ("bin", "etc", "proc", "dev", "tmp"):
        (root / directory).mkdir(parents=True)
    programs = {name: os.path.realpath(shutil.which(name)) for name in ("sh", "cat", "chmod")}
    for name, path in programs.items():
        shutil.copy(path, root / "bin" / name)
    for path in (*programs.values(), PROGRAM):
        listed = subprocess.run(["ldd", path], capture_output=True, text=True).stdout  # nothing of a static one
        for library in {word for word in listed.split() if word.startswith("/")}:
            place = pathlib.Path(f"{root}{library}")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, place)
    subprocess.run(["chmod", "-R", "go-w,a+rX", root], check=True)


def under_wayang(name, environment, *where):
    try:
        return attempt_under_wayang(name, environment, *where)
    except subprocess.TimeoutExpired:  # its task ends after a minute at most: somebody stopped the machine, or us
        print(f"{name}: no answer; repeated", file=sys.stderr)
        return attempt_under_wayang(name, environment, *where)


def attempt_under_wayang(name, environment, *where):
    timeout = "700ms" if name in ENDLESS else "60s"
    ended = subprocess.run([WAYANG, "run", "--json", "--timeout", timeout, *where, "--", "/bin/sh", "-c", START + name],
                           input=PROGRAM.read_bytes(), capture_output=True, timeout=PATIENCE * 3, env=environment)
    answer = json.loads(ended.stdout)
    cause = answer["cause"]
    if cause["type"] == "exit" and answer["state"] == "succeeded":
        return verdict(name, answer.get("stdout", "").encode()) or "ran; its output was cut"
    detail = cause.get("what") or cause.get("signal") or ""
    return f"ended: {cause['type']} {detail}".rstrip()


def under_bubblewrap(name, program):
    words = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
             "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind", program, "/tmp/program", "/tmp/program", name]
    if os.geteuid() == 0:
        words = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *words]
    ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE)
    return verdict(name, ended.stdout) or (f"ended: signal {ended.returncode - 128}" if ended.returncode > 128 else f"ended: {ended.stderr.decode(errors='replace').strip()[:60]}")


def deeds():
    """What constructors of tests/plugins/loaded do, in the order of the sources; but for what speaks to a zygote, which bubblewrap has none of."""
    listed = (ROOT / "tests/plugins/loaded/CMakeLists.txt").read_text().split("set(deeds")[1].split(")")[0].split()
    return [name for name in listed if name not in {"claim_ready", "speak_nonsense", "read_spawner", "loop_for_ever"}]


def loaded_by_wayang(name, environment):
    put = subprocess.run([WAYANG, "images", "put", PLUGINS / f"loaded_{name}.so", "--name", f"loaded_{name}"], capture_output=True, text=True, timeout=PATIENCE, env=environment)
    if put.returncode != 0:
        return "refused: " + put.stderr.strip().removeprefix("wayang: ").split("\n")[0][:100]
    ended = subprocess.run([WAYANG, "run", "c", f"loaded_{name}:told"], capture_output=True, text=True, timeout=PATIENCE, env=environment)
    return ended.stdout.strip() or ended.stderr.strip()[:100]


def loaded_under_bubblewrap(name, scratch):
    library = shutil.copy(PLUGINS / f"loaded_{name}.so", scratch)
    words = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
             "--symlink", "usr/lib64", "/lib64", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--size", str(64 << 20), "--tmpfs", "/tmp", "--ro-bind", library, "/tmp/library.so",
             "--setenv", "LOADED_TELL", "1", "--setenv", "LD_PRELOAD", "/tmp/library.so", "/bin/true"]
    if os.geteuid() == 0:
        words = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", *words]
    try:
        ended = subprocess.run(["timeout", "--signal", "KILL", "5", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return "held up until it was killed"
    return ended.stdout.strip() or f"ended: code {ended.returncode}"


def table(environment, program, has_crun):
    for room, names in attempts():
        crun_heading, crun_line = ("| the same, `isolation: crun` ", "|---") if has_crun else ("", "")
        yield f"\n## {ROOMS[room]}\n\n| attempt | as a command under `standard` {crun_heading}| `bwrap --unshare-all` |\n|---|---{crun_line}|---|\n"
        for name in names:
            ours = under_wayang(name, environment)
            if has_crun:
                ours += " | " + under_wayang(name, environment, "--image", "boxed")
            theirs = "not run: it sets no limits" if room == "greed" else under_bubblewrap(name, program)
            print(f"{name}: {ours} | {theirs}", file=sys.stderr)
            yield f"| {name} | {ours} | {theirs} |\n"


def main():
    if not shutil.which("bwrap"):
        sys.exit("bwrap is not installed: apt-get install bubblewrap")
    with tempfile.TemporaryDirectory(prefix="wayang-isolation-", dir="/var/tmp") as scratch:
        os.chmod(scratch, 0o755)
        program = shutil.copy(PROGRAM, pathlib.Path(scratch, "program"))
        socket = pathlib.Path(scratch, "run", "wayang.sock")
        configuration = pathlib.Path(scratch, "node.yaml")
        socket.parent.mkdir()
        os.chmod(socket.parent, 0o1777)  # the daemon's own user makes the socket
        has_crun = os.geteuid() == 0 and shutil.which("crun") is not None
        images = ""
        if has_crun:
            make_root(pathlib.Path(scratch, "root"))
            images = f"images: [{{name: boxed, kind: command, rootfs: {scratch}/root, isolation: crun}}]\n"
        configuration.write_text(f"socket: {socket}\nhttp_port: 0\n{images}")
        environment = {**os.environ, "WAYANG_NATIVE": str(NATIVE), "WAYANG_ENDPOINT": f"unix://{socket}"}
        serve = subprocess.Popen([WAYANG, "serve", "--config", configuration], env={k: v for k, v in environment.items() if k != "WAYANG_ENDPOINT"})
        try:
            first = subprocess.run(["sh", "-c", f"while [ ! -S {socket} ]; do kill -0 {serve.pid} || exit 1; sleep 0.1; done"], timeout=PATIENCE)
            if first.returncode != 0:
                sys.exit("the runtime did not start")
            if has_crun:  # its image is put once the runtime serves
                ready = subprocess.run(["sh", "-c", 'until "$0" run --image boxed -- /bin/sh -c : 2>/dev/null; do sleep 0.1; done', WAYANG], timeout=PATIENCE, env=environment)
                if ready.returncode != 0:
                    sys.exit("the image for crun is not there")
            rows = "".join(table(environment, program, has_crun))
            rows += "\n## As an image is loaded\n\nWhat the constructor of a library comes to before anybody calls it: as an image, and preloaded to `/bin/true`.\n\n"
            rows += "| constructor | as a plugin under `compute` | `bwrap --unshare-all` |\n|---|---|---|\n"
            for name in deeds():
                ours, theirs = loaded_by_wayang(name, environment), loaded_under_bubblewrap(name, scratch)
                print(f"{name}: {ours} | {theirs}", file=sys.stderr)
                rows += f"| {name} | {ours} | {theirs} |\n"
        finally:
            serve.send_signal(signal.SIGTERM)
            serve.wait(PATIENCE)
    version = subprocess.run(["bwrap", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    today = datetime.datetime.now(datetime.timezone.utc).date()
    (ROOT / "docs").mkdir(exist_ok=True)
    (ROOT / "docs/isolation.md").write_text(
        "# Attempts to get out\n\n"
        f"Written by `scripts/isolation_table.py` on {today}, Linux {platform.release()} {platform.machine()}, {version}"
        f"{', runtime started as root' if os.geteuid() == 0 else ''}. Not edited by hand.\n\n"
        "Each attempt is a function of `tests/plugins/escape`. An errno: it was refused, the task went on. `contained`: it went through and reached only\n"
        "what is the task's own, which the attempt checks. `went`: it went through. `ended`: the whole task was ended, with this cause.\n"
        "bubblewrap is a tool to build sandboxes with and has no system call filter of its own: the right column is what its namespaces\n"
        "and an unprivileged user give by themselves. Under `isolation: crun` the command is pid 1 of a container, and a call that the profile lists as dangerous ends it by\n"
        "signal 31 (SIGSYS). What went there is that pid 1 itself (`proc_init_*`), its root, which the image lets it write, and an opened `uid_map`, which the kernel lets nobody write twice. The tests (`EscapeTests`) hold the outcome of each attempt for calls under `compute` and\n"
        "`standard`, too.\n" + rows)


if __name__ == "__main__":
    main()
