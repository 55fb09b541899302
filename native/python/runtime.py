"""What surrounds a user's module in every Python image.

Embedded into wayang_python.so and run in the zygote before the first worker is forked. The adapter calls load(), seal(),
describe(), reseed() and run_coroutine(); nothing here is for tasks.
"""

import codecs
import gc
import importlib
import importlib.machinery
import io
import linecache
import logging
import opcode
import os
import signal
import sys
import traceback
import types

import _wayang

MODULE = "wayang_image"  # what tasks see as the __name__ of their file
MAX_MESSAGE = 4000
MAX_TRACE = 16000

# Codecs are imported by name at the first use, when there are no files any more.
CODECS = ("ascii", "latin_1", "utf_8", "utf_8_sig", "utf_16", "utf_16_le", "utf_16_be", "utf_32", "cp1252", "cp437", "idna",
          "punycode", "unicode_escape", "raw_unicode_escape", "hex_codec", "base64_codec", "iso8859_1", "iso8859_15")

# What is imported at the first use besides what lazy_imports() finds.
COMPANIONS = {
    "asyncio": ("concurrent.futures.thread",),
    "concurrent.futures": ("concurrent.futures.thread",),
    "datetime": ("_strptime",),
    "email": ("email.message", "email.parser", "email.policy", "email.generator", "email.mime.text", "email.mime.multipart",
              "email._header_value_parser", "email.headerregistry"),
    "html": ("html.entities", "html.parser"),
    "http": ("http.client", "http.cookies"),
    "importlib.metadata": ("email.parser",),
    "numpy": ("numpy.random", "numpy.fft", "numpy.linalg", "numpy.core._methods", "numpy.lib.format"),
    "pickle": ("_compat_pickle",),
    "tempfile": ("random", "shutil"),
    "time": ("_strptime",),
    "urllib": ("urllib.parse", "unicodedata"),
    "xml": ("xml.etree.ElementTree", "xml.dom.minidom", "pyexpat"),
    "zipfile": ("bz2", "lzma", "zlib"),
}

# Imported by functions for people at a terminal, for tests and for tools: nothing that a task needs.
NOT_FOR_TASKS = {"__main__", "code", "curses", "distutils", "doctest", "ensurepip", "idlelib", "lib2to3", "pdb", "pydoc", "readline", "rlcompleter",
                 "test", "tkinter", "turtle", "unittest", "venv", "webbrowser"}
IMPORT_NAME, EXTENDED_ARG = opcode.opmap["IMPORT_NAME"], opcode.EXTENDED_ARG


class Refused(Exception):
    """The module cannot be an image: one line, then more of them."""

    def __init__(self, message, detail=""):
        super().__init__(message, detail)


class LogStream(io.RawIOBase):
    """Standard output or error of the task that runs."""

    def __init__(self, stream, name):
        self.stream = stream
        self.name = name

    def writable(self):
        return True

    def write(self, data):
        return _wayang.write(self.stream, data)


class LogHandler(logging.Handler):
    """logging, to the log of the task that runs, with its level. Only where the program has set up no handler itself."""

    def emit(self, record):
        try:
            _wayang.log(record.levelno, f"{record.name}: {self.format(record)}\n")
        except Exception:
            self.handleError(record)


class Embedded:
    """Finder and loader of the SDK, which comes with the runtime and needs no file."""

    def __init__(self, sources):
        self.sources = sources

    def find_spec(self, name, path=None, target=None):
        if name not in self.sources:
            return None
        return importlib.machinery.ModuleSpec(name, self, origin=f"<{name}>", is_package=name == "wayang")

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        code = self.sources[module.__name__]
        exec(compile(code, f"<{module.__name__}>", "exec", dont_inherit=True), module.__dict__)


class Absent:
    """The last finder: says what to do about a module that is not there."""

    def __init__(self, files):
        self.files = files

    def find_spec(self, name, path=None, target=None):
        if self.files:
            hint = "it is not among the node's packages (Debian: apt-get install python3-...)"
        else:
            hint = (f"this sandbox reads no files once it has started; name it under preload: (image.put, images: of the "
                    f"configuration) or give --preload {name}")
        raise ModuleNotFoundError(f"No module named '{name}': {hint}", name=name)


def open_stream(number, name):
    return io.TextIOWrapper(LogStream(number, name), encoding="utf-8", errors="backslashreplace", write_through=True)


def prepare(sources):
    """Streams, logging, and the SDK, which comes from `sources`: {module: code}."""
    sys.stdin = sys.__stdin__ = None
    sys.stdout = sys.__stdout__ = open_stream(1, "<stdout>")
    sys.stderr = sys.__stderr__ = open_stream(2, "<stderr>")
    logging.lastResort = LogHandler(logging.NOTSET)
    logging.getLogger().setLevel(logging.INFO)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # the import installs a handler, whatever the configuration says
    os.register_at_fork(after_in_child=_wayang.forked)
    sys.meta_path.insert(0, Embedded(sources))
    importlib.import_module("wayang")
    for codec in CODECS:
        importlib.import_module(f"encodings.{codec}")


def load(code, filename, preload):
    """Runs the user's module; returns [(name, callable, how many arguments it takes)]."""
    for name in preload:
        preload_module(name)
    try:
        text = code.decode("utf-8-sig")
        compiled = compile(text, filename, "exec", dont_inherit=True)
    except UnicodeDecodeError as error:
        line = code.count(b"\n", 0, error.start) + 1
        raise Refused(f"{filename}:{line}: the file is not UTF-8 (byte {error.start})") from None
    except SyntaxError as error:
        raise Refused(f"{filename}:{error.lineno}:{error.offset}: {type(error).__name__}: {error.msg}", caret(error)) from None
    except (ValueError, MemoryError, RecursionError) as error:
        raise Refused(f"{filename}: {type(error).__name__}: {error}") from None
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    module = types.ModuleType(MODULE)
    module.__file__ = filename
    sys.modules[MODULE] = module
    try:
        exec(compiled, module.__dict__)
    except BaseException as error:
        refuse_raise(filename, error)
    if mentions(compiled, "asyncio"):
        import_quietly("asyncio")
    for name in named_by(compiled, preload):
        lazy_imports(name)
    found = [listed(name, value) for name, value in vars(module).items() if is_function(name, value)]
    if not found:
        raise Refused(f"{filename}: defines no function that can be called; write: def f(data, ctx): return data")
    return found


def preload_module(name):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = (error.name or name).partition(".")[0].lower()
        raise Refused(f"preload: no module named '{error.name or name}' among the node's packages (Debian: apt-get install "
                      f"python3-{package})") from None
    except BaseException as error:
        raise Refused(f"preload: '{name}' raised {type(error).__name__}: {error}"[:MAX_MESSAGE], trace_of(error)) from None


def refuse_raise(filename, error):
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == filename]
    place = f"{filename}:{frames[-1].lineno}" if frames else filename
    what = f"{type(error).__name__}: {error}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0].lower()
        what += f" among the node's packages (Debian: apt-get install python3-{package})"
    raise Refused(f"{place}: while the module was loaded: {what}"[:MAX_MESSAGE], trace_of(error)) from None


def caret(error):
    if not error.text:
        return ""
    text = error.text.rstrip("\n")
    return f"    {text}\n    {' ' * max(0, (error.offset or 1) - 1)}^"


def mentions(code, name):
    return name in code.co_names or any(mentions(part, name) for part in code.co_consts if isinstance(part, types.CodeType))


def imports_of(code):
    """(level, module, names) of each import statement of a code object; not of those inside it."""
    before, extended = [(0, 0), (0, 0)], 0
    for at in range(0, len(code.co_code), 2):
        operation, argument = code.co_code[at], code.co_code[at + 1] | extended << 8
        extended = argument if operation == EXTENDED_ARG else 0
        if operation == IMPORT_NAME:  # after two LOAD_CONST: level and names
            level, names = (code.co_consts[number] if number < len(code.co_consts) else None for _, number in before)
            if isinstance(level, int) and (names is None or isinstance(names, tuple)):
                yield level, code.co_names[argument], names or ()
        if operation != EXTENDED_ARG:
            before = [before[1], (operation, argument)]


def codes_of(thing):
    """The code objects of a module's functions and methods, those inside them too."""
    todo = []
    for value in list(vars(thing).values()):
        if isinstance(value, type) and value.__module__ == thing.__name__:
            todo += [member.__code__ for member in vars(value).values() if isinstance(member, types.FunctionType)]
            todo += [member.__func__.__code__ for member in vars(value).values()
                     if isinstance(member, (classmethod, staticmethod)) and isinstance(member.__func__, types.FunctionType)]
        elif isinstance(value, types.FunctionType) and value.__module__ == thing.__name__:
            todo.append(value.__code__)
    while todo:
        code = todo.pop()
        yield code
        todo += [part for part in code.co_consts if isinstance(part, types.CodeType)]


def lazy_imports(name):
    """What the functions of a standard module import when they are called: there is no file to import from by then."""
    module = sys.modules.get(name)
    if module is None or name.partition(".")[0] not in sys.stdlib_module_names:
        return
    package = name if hasattr(module, "__path__") else name.rpartition(".")[0]
    for code in list(codes_of(module)):
        for level, target, names in imports_of(code):
            if level:
                base = package.rsplit(".", level - 1)[0] if level > 1 else package
                target = f"{base}.{target}" if target else base
            if target.partition(".")[0] in sys.stdlib_module_names - NOT_FOR_TASKS:
                import_quietly(target)
                for part in names:
                    if not hasattr(sys.modules.get(target), part):
                        import_quietly(f"{target}.{part}")


def named_by(compiled, preload):
    """The modules that the author named: in the preload list, or at the top of the file; with their loaded parts."""
    tops = set(preload)
    for level, target, names in imports_of(compiled):
        tops.update((target, *(f"{target}.{name}" for name in names)))
    return [name for name in list(sys.modules) if name in tops or name.rpartition(".")[0] in tops]


def encoding_absent(name):
    raise LookupError(f"unknown encoding: {name}; or known and not loaded: name encodings.{name} under preload:")


def import_quietly(name):
    try:
        importlib.import_module(name)
    except Exception:
        pass  # an optional part of the distribution


def is_function(name, value):
    if name.startswith("_") or isinstance(value, type) or not callable(value) or getattr(value, "__module__", None) != MODULE:
        return False
    if not name.isascii() or len(name) > 63:
        raise Refused(f"function '{name}' cannot be called from outside: a name is 1 to 63 of A-Z a-z 0-9 _; begin it with _ to hide it")
    return True


def listed(name, value):
    count = arity(value)
    if count >= 0:
        return name, value, count

    def refuse(data, ctx):
        raise TypeError(f"{name} cannot be called as a task: write it as {name}(data, ctx), {name}(data) or {name}()")

    return name, refuse, 2


def arity(value):
    """How many of (data, ctx) a callable takes; -1: it cannot be called with them."""
    given = getattr(value, "__wayang_arity__", None)
    if given is not None:
        return given
    bound = 0
    for _ in range(32):
        if isinstance(value, types.MethodType):
            bound, value = 1, value.__func__
        elif getattr(value, "__wrapped__", None) is not None:
            value = value.__wrapped__
        elif hasattr(value, "__code__"):
            break
        else:
            value = types.MethodType(type(value).__call__, value) if hasattr(type(value).__call__, "__code__") else None
    code = getattr(value, "__code__", None)
    if code is None:
        return 2
    names = code.co_varnames[bound:code.co_argcount]
    required = len(names) - len(value.__defaults__ or ())
    if required > 2 or code.co_kwonlyargcount > len(value.__kwdefaults__ or {}):
        return -1
    if code.co_flags & 0x04:  # *args
        return 2
    if required == 2 or (len(names) > 1 and names[1] in ("ctx", "context", "_ctx")):
        return 2
    return min(1, len(names))


def seal(files):
    """From here on nothing of the zygote's interpreter changes."""
    for _ in range(2):  # a companion may have companions
        for name in [name for name in COMPANIONS if name in sys.modules]:
            for other in COMPANIONS[name]:
                import_quietly(other)
    if "asyncio" in sys.modules:
        importlib.import_module("wayang._loop").install()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if files:
        sys.meta_path.append(Absent(files))
    else:
        sys.path.clear()
        sys.path_hooks.clear()
        sys.path_importer_cache.clear()
        codecs.register(encoding_absent)
        sys.meta_path[:] = [sys.meta_path[0], importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter, Absent(files)]
    linecache.checkcache()
    gc.collect()
    gc.freeze()


def reseed():
    """Workers are copies: without this each would draw the same numbers, and a task could tell those of the next one."""
    if (module := sys.modules.get("random")) is not None:
        module._inst.seed(int.from_bytes(os.urandom(32), "little"))
    if (module := sys.modules.get("numpy.random")) is not None:
        module.seed(list(os.urandom(32)))


def run_coroutine(coroutine):
    import asyncio

    return asyncio.run(coroutine)


def name_of(kind):
    return kind.__qualname__ if kind.__module__ in ("builtins", MODULE) else f"{kind.__module__}.{kind.__qualname__}"


def trace_of(error):
    # The runtime's own frames and the import machinery say nothing to the author of a module.
    lines = traceback.format_exception(error)
    text = "".join(line for line in lines if '"<wayang' not in line and '"<frozen importlib' not in line)
    return text if len(text) <= MAX_TRACE else "[cut]\n" + text[-MAX_TRACE:]


def describe(error):
    """(type, message, traceback) of what a task raised."""
    if isinstance(error, SystemExit):
        message = f"{error.code}: a function returns its result, it does not exit"
    else:
        try:
            message = str(error)
        except Exception:
            message = "its text could not be made"
    return name_of(type(error)), message[:MAX_MESSAGE], trace_of(error)
