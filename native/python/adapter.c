/* Starts the interpreter inside a zygote and leaves it as workers need it. Numbered as it happens:
 *   1. an isolated configuration: no environment, no site, no signal handlers, a fixed hash seed
 *   2. runtime.py: streams, logging, the SDK
 *   3. the image's preload list, then its module; its functions are registered
 *   4. sealed: where workers see no files nothing is imported any more */
#include "python/interpreter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embedded.h"

wy_interpreter wy_python;

static wy_status no_memory(wy_error *error) {
    PyErr_Clear();
    return wy_fail(error, WY_NO_MEMORY, 0, "python", "no memory, or the runtime's own code failed");
}

/* The same on every node and after every restart, so that a worker can be continued elsewhere; another one for each image, so
 * that what collides in one does not in the next. Collisions that an input provokes cost its own task. */
static uint32_t hash_seed(const wy_python_parts *parts) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < parts->code_bytes; i++) {
        hash = (hash ^ (unsigned char)parts->code[i]) * 16777619u;
    }
    return hash;
}

static PyStatus set_paths(PyConfig *config) {
    PyStatus status = PyConfig_SetString(config, &config->program_name, L"/usr/bin/python3");
    config->module_search_paths_set = 1;
    for (size_t i = 0; i < sizeof embedded_paths / sizeof embedded_paths[0] && !PyStatus_Exception(status); i++) {
        status = PyWideStringList_Append(&config->module_search_paths, embedded_paths[i]);
    }
    return status;
}

static wy_status start(const wy_python_parts *parts, wy_error *error) {
    PyPreConfig early;
    PyConfig config;
    PyPreConfig_InitIsolatedConfig(&early);
    early.utf8_mode = 1;
    PyStatus status = Py_PreInitialize(&early);
    if (!PyStatus_Exception(status)) {
        PyConfig_InitIsolatedConfig(&config);
        config.site_import = 0;
        config.write_bytecode = 0;
        config.install_signal_handlers = 0;
        config.use_hash_seed = 1;
        config.hash_seed = hash_seed(parts);
        status = set_paths(&config);
        if (!PyStatus_Exception(status)) {
            status = Py_InitializeFromConfig(&config);
        }
        PyConfig_Clear(&config);
    }
    if (!PyStatus_Exception(status)) {
        return WY_OK;
    }
    return wy_fail(error, WY_UNSUPPORTED, 0, "python",
                   "the interpreter does not start (%.80s); is its standard library there? Debian: apt-get install libpython%d.%d-stdlib",
                   status.err_msg == NULL ? "unknown" : status.err_msg, PY_MAJOR_VERSION, PY_MINOR_VERSION);
}

/* Threads of numerical libraries would be left behind at the import: one per worker is what its slot pays for. */
static void single_thread(void) {
    static const char *const names[] = {"OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
                                        "NUMEXPR_NUM_THREADS"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)setenv(names[i], "1", 1);
    }
}

/* Runs runtime.py as the module wayang_runtime. */
static PyObject *run_runtime(void) {
    PyObject *code = Py_CompileString((const char *)embedded_runtime, "<wayang_runtime>", Py_file_input);
    PyObject *runtime = code == NULL ? NULL : PyImport_ExecCodeModule("wayang_runtime", code);
    Py_XDECREF(code);
    PyObject *sources = runtime == NULL ? NULL : PyDict_New();
    for (size_t i = 0; sources != NULL && i < sizeof embedded_modules / sizeof embedded_modules[0]; i++) {
        PyObject *text = PyUnicode_FromString(embedded_modules[i].code);
        if (text == NULL || PyDict_SetItemString(sources, embedded_modules[i].module, text) != 0) {
            Py_CLEAR(sources);
        }
        Py_XDECREF(text);
    }
    PyObject *done = sources == NULL ? NULL : PyObject_CallMethod(runtime, "prepare", "O", sources);
    Py_XDECREF(sources);
    if (done == NULL) {
        Py_CLEAR(runtime);
    }
    Py_XDECREF(done);
    return runtime;
}

/* runtime.Refused has the one line and the more; anything else is told as it stands. */
static wy_status refuse(wy_python_image *image, wy_error *error) {
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    PyObject *arguments = value == NULL ? NULL : PyObject_GetAttrString(value, "args");
    PyObject *first = arguments != NULL && PyTuple_Check(arguments) && PyTuple_GET_SIZE(arguments) > 0
                          ? PyObject_Str(PyTuple_GET_ITEM(arguments, 0))
                          : NULL;
    PyObject *second = first != NULL && PyTuple_GET_SIZE(arguments) > 1 ? PyObject_Str(PyTuple_GET_ITEM(arguments, 1)) : NULL;
    const char *message = first == NULL ? NULL : PyUnicode_AsUTF8(first);
    const char *detail = second == NULL ? NULL : PyUnicode_AsUTF8(second);
    /* The error holds one short line; all of it stands in the detail where it does not fit. */
    wy_status status = wy_fail(error, WY_INVALID, 0, "python", "%.200s", message == NULL ? "the module cannot be loaded" : message);
    (void)snprintf(image->detail, sizeof image->detail, "%s%s%s", message == NULL ? "" : message,
                   detail == NULL || *detail == '\0' ? "" : "\n", detail == NULL ? "" : detail);
    Py_XDECREF(second);
    Py_XDECREF(first);
    Py_XDECREF(arguments);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(trace);
    PyErr_Clear();
    return status;
}

static wy_status register_functions(wy_python_image *image, PyObject *found, wy_error *error) {
    Py_ssize_t count = PyList_Size(found);
    wy_python_function *functions = count > 0 ? calloc((size_t)count, sizeof *functions) : NULL;
    if (functions == NULL) {
        return no_memory(error);
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        const char *name;
        if (!PyArg_ParseTuple(PyList_GetItem(found, i), "sOi", &name, &functions[i].callable, &functions[i].arity)) {
            return no_memory(error);
        }
        Py_INCREF(functions[i].callable);
        if (image->registry->add(image->registry, name, wy_python_run, &functions[i]) != 0) {
            return WY_OK; /* the registry says why */
        }
    }
    return WY_OK;
}

static wy_status take_module(wy_python_image *image, PyObject *runtime, wy_error *error) {
    const wy_python_parts *parts = image->parts;
    PyObject *preload = PyList_New(0);
    for (uint32_t i = 0; preload != NULL && i < parts->preload_count; i++) {
        PyObject *name = PyUnicode_FromString(parts->preload[i]);
        if (name == NULL || PyList_Append(preload, name) != 0) {
            Py_CLEAR(preload);
        }
        Py_XDECREF(name);
    }
    if (preload == NULL) {
        return no_memory(error);
    }
    PyObject *found = PyObject_CallMethod(runtime, "load", "y#sO", parts->code, (Py_ssize_t)parts->code_bytes, parts->name, preload);
    Py_DECREF(preload);
    if (found == NULL) {
        return refuse(image, error);
    }
    wy_status status = register_functions(image, found, error);
    Py_DECREF(found);
    return status;
}

static wy_status seal(wy_python_image *image, PyObject *runtime, wy_error *error) {
    PyObject *done = PyObject_CallMethod(runtime, "seal", "i", image->files);
    if (done == NULL) {
        return refuse(image, error);
    }
    Py_DECREF(done);
    wy_python.describe = PyObject_GetAttrString(runtime, "describe");
    wy_python.reseed = PyObject_GetAttrString(runtime, "reseed");
    wy_python.run_coroutine = PyObject_GetAttrString(runtime, "run_coroutine");
    wy_python.random_name = PyUnicode_InternFromString("random");
    wy_python.numpy_random_name = PyUnicode_InternFromString("numpy.random");
    if (wy_python.describe == NULL || wy_python.reseed == NULL || wy_python.run_coroutine == NULL ||
        wy_python.random_name == NULL || wy_python.numpy_random_name == NULL) {
        return no_memory(error);
    }
    image->started = wy_python_started;
    image->after = wy_python_after;
    (void)fflush(NULL); /* what the module printed while it was loaded belongs to no task */
    return WY_OK;
}

/* Named in adapter.h: WY_PYTHON_LOAD_NAME. */
__attribute__((visibility("default"))) wy_status wayang_python_load(wy_python_image *image, wy_error *error);

wy_status wayang_python_load(wy_python_image *image, wy_error *error) {
    if (image->abi != WY_PYTHON_ADAPTER_ABI) {
        return wy_fail(error, WY_UNSUPPORTED, 0, "python", "wayang_python.so is of another build: install it again");
    }
    wy_python.host = image->host;
    wy_python.services = image->services;
    single_thread();
    wy_status status = start(image->parts, error);
    PyObject *module = status == WY_OK ? wy_python_module() : NULL;
    if (status != WY_OK) {
        return status;
    }
    if (module == NULL || PyDict_SetItemString(PyImport_GetModuleDict(), "_wayang", module) != 0) {
        return no_memory(error);
    }
    PyObject *runtime = run_runtime();
    if (runtime == NULL) {
        return refuse(image, error);
    }
    status = take_module(image, runtime, error);
    return status == WY_OK ? seal(image, runtime, error) : status;
}
