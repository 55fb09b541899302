/* The module _wayang: the log, and what a function gets as `ctx`. */
#include "python/interpreter.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct context {
    PyObject_HEAD
    wayang_call *call; /* NULL after its call */
    int known;         /* 0: facts not asked yet, 1: there, -1: not told */
    wy_call_facts facts;
    PyObject *on_save; /* makes the state when it is wanted, or NULL */
} context;

static PyTypeObject *context_type;

static const wy_call_facts *facts_of(context *self) {
    if (self->known == 0 && self->call != NULL) {
        self->known = wy_python.services->facts(&self->facts) ? 1 : -1;
    }
    return self->known == 1 ? &self->facts : NULL;
}

static PyObject *get_task_id(PyObject *self, void *closure) {
    static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    const wy_call_facts *facts = facts_of((context *)self);
    (void)closure;
    if (facts == NULL) {
        Py_RETURN_NONE;
    }
    char text[26];
    uint64_t high = facts->task_high, low = facts->task_low;
    for (int i = 25; i >= 0; i--) {
        text[i] = alphabet[low & 31u];
        low = (low >> 5) | (high << 59);
        high >>= 5;
    }
    return PyUnicode_FromStringAndSize(text, sizeof text);
}

static PyObject *get_attempt(PyObject *self, void *closure) {
    const wy_call_facts *facts = facts_of((context *)self);
    (void)closure;
    return PyLong_FromUnsignedLong(facts == NULL ? 1 : facts->attempt);
}

static PyObject *get_cancelled(PyObject *self, void *closure) {
    const wayang_call *call = ((context *)self)->call;
    (void)closure;
    return PyBool_FromLong(call == NULL || wayang_cancelled(call));
}

static int keep(context *self, const void *bytes, Py_ssize_t length) {
    wayang_save_result kept = WAYANG_SAVE_UNSUPPORTED;
    if (self->call != NULL && !wy_python.forked) {
        int before = wy_python.services->speak(1);
        kept = wayang_save(self->call, bytes, (size_t)length);
        (void)wy_python.services->speak(before);
    }
    if (kept == WAYANG_SAVE_TOO_LARGE) {
        PyErr_Format(PyExc_ValueError, "the state has %zd bytes, which is more than the node keeps (limits.state_bytes)", length);
    } else if (kept != WAYANG_SAVE_KEPT) {
        PyErr_SetString(PyExc_RuntimeError, self->call == NULL ? "the call is over" : "this node keeps no states (limits.state_bytes)");
    }
    return kept == WAYANG_SAVE_KEPT ? 0 : -1;
}

static PyObject *context_save(PyObject *self, PyObject *arguments) {
    Py_buffer data;
    if (!PyArg_ParseTuple(arguments, "y*:save", &data)) {
        return NULL;
    }
    int failed = keep((context *)self, data.buf, data.len);
    PyBuffer_Release(&data);
    if (failed) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *context_on_save(PyObject *object, PyObject *callback) {
    context *self = (context *)object;
    if (callback != Py_None && !PyCallable_Check(callback)) {
        PyErr_SetString(PyExc_TypeError, "on_save(callback): a function without parameters that returns bytes, or None");
        return NULL;
    }
    Py_XSETREF(self->on_save, callback == Py_None || self->call == NULL ? NULL : Py_NewRef(callback));
    Py_RETURN_NONE;
}

/* The place is wanted: with a callback its bytes are saved and the function is left. -1 with an exception, also that one. */
static int look(context *self) {
    int wanted = self->call != NULL && wayang_save_wanted(self->call);
    if (!wanted || self->on_save == NULL) {
        return wanted;
    }
    PyObject *callback = self->on_save;
    self->on_save = NULL; /* once */
    PyObject *state = PyObject_CallNoArgs(callback);
    Py_DECREF(callback);
    Py_buffer data;
    if (state == NULL || PyObject_GetBuffer(state, &data, PyBUF_SIMPLE) != 0) {
        Py_XDECREF(state);
        return -1;
    }
    int failed = keep(self, data.buf, data.len);
    PyBuffer_Release(&data);
    Py_DECREF(state);
    if (!failed) {
        PyErr_SetNone(wy_python.yield);
    }
    return -1;
}

static PyObject *get_save_wanted(PyObject *self, void *closure) {
    (void)closure;
    int wanted = look((context *)self);
    return wanted < 0 ? NULL : PyBool_FromLong(wanted);
}

static PyObject *get_saved(PyObject *self, void *closure) {
    const wayang_call *call = ((context *)self)->call;
    size_t length = 0;
    const void *saved = call == NULL ? NULL : wayang_saved(call, &length);
    (void)closure;
    if (saved == NULL) {
        Py_RETURN_NONE;
    }
    return PyBytes_FromStringAndSize(saved, (Py_ssize_t)length);
}

static PyObject *get_deadline(PyObject *self, void *closure) {
    const wy_call_facts *facts = facts_of((context *)self);
    struct timespec now;
    (void)closure;
    if (facts == NULL || facts->deadline_ns == INT64_MAX || clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        Py_RETURN_NONE;
    }
    return PyFloat_FromDouble((double)(facts->deadline_ns - ((int64_t)now.tv_sec * 1000000000 + now.tv_nsec)) / 1e9);
}

/* Numbers as logging has them. */
static wayang_log_level level_of(long number) {
    return number >= 40 ? WAYANG_LOG_ERROR : number >= 30 ? WAYANG_LOG_WARNING : number >= 20 ? WAYANG_LOG_INFO : WAYANG_LOG_DEBUG;
}

/* Everything below holds the GIL, so that a task's own threads may write too: never two at once. */
static void write_log(wayang_log_level level, const char *text, Py_ssize_t length) {
    if (wy_python.call != NULL && !wy_python.forked) {
        int before = wy_python.services->speak(1);
        (void)fflush(stderr); /* what was written before stands before */
        wy_python.host->log(wy_python.call, level, text, (size_t)length);
        (void)wy_python.services->speak(before);
    }
}

static int level_named(PyObject *value, long *out) {
    static const struct {
        const char *name;
        long level;
    } names[] = {{"debug", 10}, {"info", 20}, {"warning", 30}, {"error", 40}};
    if (PyLong_Check(value)) {
        *out = PyLong_AsLong(value);
        return *out == -1 && PyErr_Occurred() ? -1 : 0;
    }
    const char *name = PyUnicode_Check(value) ? PyUnicode_AsUTF8(value) : NULL;
    for (size_t i = 0; name != NULL && i < sizeof names / sizeof names[0]; i++) {
        if (PyOS_stricmp(name, names[i].name) == 0) {
            *out = names[i].level;
            return 0;
        }
    }
    if (!PyErr_Occurred()) {
        PyErr_Format(PyExc_ValueError, "%R is no level: use 'debug', 'info', 'warning', 'error', or a number of logging", value);
    }
    return -1;
}

static PyObject *context_log(PyObject *self, PyObject *arguments) {
    PyObject *first, *second = NULL;
    long level = 20;
    (void)self;
    if (!PyArg_ParseTuple(arguments, "O|O:log", &first, &second)) {
        return NULL;
    }
    if (second != NULL && level_named(first, &level) != 0) {
        return NULL;
    }
    PyObject *text = PyUnicode_FromFormat("%S\n", second != NULL ? second : first);
    PyObject *bytes = text == NULL ? NULL : PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
    Py_XDECREF(text);
    if (bytes == NULL) {
        return NULL;
    }
    write_log(level_of(level), PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    Py_RETURN_NONE;
}

static PyObject *context_progress(PyObject *self, PyObject *arguments) {
    double percent;
    const char *text = "";
    Py_ssize_t length = 0;
    wayang_call *call = ((context *)self)->call;
    if (!PyArg_ParseTuple(arguments, "d|s#:progress", &percent, &text, &length)) {
        return NULL;
    }
    if (!(percent >= 0 && percent <= 100)) {
        PyErr_SetString(PyExc_ValueError, "progress(percent, text): the percent are 0 to 100");
        return NULL;
    }
    if (call != NULL && !wy_python.forked) {
        int before = wy_python.services->speak(1);
        wayang_progress(call, (uint32_t)percent, text, (size_t)length);
        (void)wy_python.services->speak(before);
    }
    context *own = (context *)self;
    if (own->on_save != NULL && look(own) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static void context_free(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(((context *)self)->on_save);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot context_slots[] = {
    {Py_tp_doc, "What a function knows of the task that it serves. Valid until the function returns."},
    {Py_tp_dealloc, context_free},
    {Py_tp_getset,
     (PyGetSetDef[]){{"task_id", get_task_id, NULL, "The task's id: 26 characters.", NULL},
                     {"attempt", get_attempt, NULL, "Which try this is, from 1.", NULL},
                     {"cancelled", get_cancelled, NULL, "Somebody asked the task to stop: return soon.", NULL},
                     {"saved", get_saved, NULL, "What an earlier attempt saved last, or None.", NULL},
                     {"save_wanted", get_save_wanted, NULL,
                      "The node wants the place back: save, and raise wayang.Yield. With on_save that is done here.", NULL},
                     {"deadline", get_deadline, NULL, "Seconds left.", NULL},
                     {NULL, NULL, NULL, NULL, NULL}}},
    {Py_tp_methods,
     (PyMethodDef[]){{"log", context_log, METH_VARARGS, "log(text) or log(level, text): a line of the task's log."},
                     {"save", context_save, METH_VARARGS, "save(bytes): what the task's next attempt finds as `saved`."},
                     {"on_save", context_on_save, METH_O,
                      "on_save(callback): when save_wanted or progress finds the place wanted, saves callback() and raises wayang.Yield."},
                     {"progress", context_progress, METH_VARARGS,
                      "progress(percent, text=''): how far the task is, shown while it runs."},
                     {NULL, NULL, 0, NULL}}},
    {0, NULL},
};

static PyType_Spec context_spec = {
    .name = "wayang.Context",
    .basicsize = sizeof(context),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = context_slots,
};

PyObject *wy_context_new(void) {
    context *self = PyObject_New(context, context_type);
    if (self != NULL) {
        self->call = wy_python.call;
        self->known = 0;
        self->on_save = NULL;
    }
    return (PyObject *)self;
}

void wy_context_end(PyObject *object) {
    context *self = (context *)object;
    if (Py_REFCNT(object) > 1) {
        (void)facts_of(self); /* who keeps it may still ask whose it was */
    }
    self->call = NULL;
    Py_CLEAR(self->on_save); /* which may well know the context */
}

static PyObject *module_write(PyObject *module, PyObject *arguments) {
    int stream;
    Py_buffer data;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "iy*:write", &stream, &data)) {
        return NULL;
    }
    if (wy_python.call != NULL && !wy_python.forked) {
        int before = wy_python.services->speak(1);
        (void)fwrite(data.buf, 1, (size_t)data.len, stream == 1 ? stdout : stderr);
        (void)wy_python.services->speak(before);
    }
    Py_ssize_t length = data.len;
    PyBuffer_Release(&data);
    return PyLong_FromSsize_t(length);
}

static PyObject *module_log(PyObject *module, PyObject *arguments) {
    long level;
    PyObject *text;
    (void)module;
    if (!PyArg_ParseTuple(arguments, "lU:log", &level, &text)) {
        return NULL;
    }
    PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
    if (bytes == NULL) {
        return NULL;
    }
    write_log(level_of(level), PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    Py_RETURN_NONE;
}

static PyObject *module_forked(PyObject *module, PyObject *nothing) {
    (void)module;
    (void)nothing;
    wy_python.forked = 1;
    Py_RETURN_NONE;
}

PyObject *wy_python_module(void) {
    static PyMethodDef methods[] = {
        {"write", module_write, METH_VARARGS, "write(stream, bytes): to the task's stdout (1) or stderr (2)."},
        {"log", module_log, METH_VARARGS, "log(level, text): to the task's log."},
        {"forked", module_forked, METH_NOARGS, "In a child: it has no task."},
        {NULL, NULL, 0, NULL}};
    static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_wayang", NULL, -1, methods, NULL, NULL, NULL, NULL};
    PyObject *module = PyModule_Create(&definition);
    context_type = module == NULL ? NULL : (PyTypeObject *)PyType_FromSpec(&context_spec);
    wy_python.yield = context_type == NULL ? NULL : PyErr_NewExceptionWithDoc(
        "wayang.Yield", "The function gives its place back, as ctx.save_wanted said; it goes on from what it saved.", PyExc_BaseException, NULL);
    if (wy_python.yield == NULL || PyModule_AddObjectRef(module, "Yield", wy_python.yield) != 0 ||
        PyModule_AddObjectRef(module, "Context", (PyObject *)context_type) != 0) {
        Py_XDECREF(module);
        return NULL;
    }
    return module;
}
