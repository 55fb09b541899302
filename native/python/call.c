/* One call: bytes and a context in, bytes or an error out. */
#include "python/interpreter.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* When even describing the error fails (no memory, no stack): its type is known without running any code. */
static int fail_plainly(wayang_call *call, PyObject *error) {
    const char *type = error == NULL ? "Exception" : Py_TYPE(error)->tp_name;
    PyErr_Clear();
    return wy_python.host->fail(call, type, "it cannot be described");
}

/* Reports the exception that is set. */
static int report(wayang_call *call) {
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    PyErr_NormalizeException(&type, &error, &trace);
    if (error != NULL && trace != NULL) {
        (void)PyException_SetTraceback(error, trace);
    }
    PyObject *told = error == NULL ? NULL : PyObject_CallOneArg(wy_python.describe, error);
    const char *code = NULL, *message = NULL, *lines = NULL;
    Py_ssize_t length = 0;
    if (told != NULL && PyTuple_Check(told) && PyTuple_GET_SIZE(told) == 3) {
        code = PyUnicode_AsUTF8(PyTuple_GET_ITEM(told, 0));
        message = code == NULL ? NULL : PyUnicode_AsUTF8(PyTuple_GET_ITEM(told, 1));
        lines = message == NULL ? NULL : PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(told, 2), &length);
    }
    int result;
    if (lines == NULL) {
        result = fail_plainly(call, error);
    } else {
        result = wy_python.host->fail(call, code, message);
        wy_python.services->trace(lines, (size_t)length);
    }
    Py_XDECREF(told);
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(trace);
    return result;
}

static int append(wayang_call *call, const void *bytes, Py_ssize_t length) {
    return wayang_append(call, bytes, (size_t)length);
}

static int append_buffer(wayang_call *call, PyObject *result) {
    Py_buffer view;
    if (PyObject_GetBuffer(result, &view, PyBUF_SIMPLE) != 0) {
        return report(call);
    }
    int failed = append(call, view.buf, view.len);
    PyBuffer_Release(&view);
    return failed;
}

static int answer(wayang_call *call, PyObject *result) {
    if (PyBytes_CheckExact(result)) {
        return append(call, PyBytes_AS_STRING(result), PyBytes_GET_SIZE(result));
    }
    if (result == Py_None) {
        return 0;
    }
    if (PyUnicode_Check(result)) {
        Py_ssize_t length;
        const char *text = PyUnicode_AsUTF8AndSize(result, &length);
        return text == NULL ? report(call) : append(call, text, length);
    }
    if (PyBytes_Check(result) || PyByteArray_Check(result) || PyMemoryView_Check(result)) {
        return append_buffer(call, result);
    }
    PyErr_Format(PyExc_TypeError,
                 "the function returned %.100s: return bytes, bytearray, memoryview, str or None, or use @wayang.json",
                 Py_TYPE(result)->tp_name);
    return report(call);
}

/* A child that a task forked must never reach the worker's loop: its parent owns the channel. */
static void end_if_forked(void) {
    if (wy_python.forked) {
        _exit(0);
    }
}

static PyObject *invoke(const wy_python_function *function, PyObject *context, const void *input, size_t length) {
    PyObject *arguments[2] = {NULL, context};
    if (function->arity > 0) {
        arguments[0] = PyBytes_FromStringAndSize(input, (Py_ssize_t)length);
        if (arguments[0] == NULL) {
            return NULL;
        }
    }
    PyObject *result = PyObject_Vectorcall(function->callable, arguments, (size_t)function->arity, NULL);
    Py_XDECREF(arguments[0]);
    if (result != NULL && PyCoro_CheckExact(result)) {
        PyObject *coroutine = result;
        result = PyObject_CallOneArg(wy_python.run_coroutine, coroutine);
        Py_DECREF(coroutine);
    }
    return result;
}

int wy_python_run(wayang_call *call, const void *input, size_t length) {
    const wy_python_function *function = call->state;
    wy_python.call = call;
    PyObject *context = function->arity == 2 ? wy_context_new() : NULL;
    PyObject *result = function->arity == 2 && context == NULL ? NULL : invoke(function, context, input, length);
    end_if_forked();
    int failed = result != NULL ? answer(call, result) : PyErr_ExceptionMatches(wy_python.yield) ? WAYANG_YIELD : report(call);
    PyErr_Clear();
    Py_XDECREF(result); /* its end may run code of the task, which may still write */
    if (context != NULL) {
        wy_context_end(context);
        Py_DECREF(context);
    }
    wy_python.call = NULL;
    return failed;
}

void wy_python_started(void) {
    PyObject *done = PyObject_CallNoArgs(wy_python.reseed);
    Py_XDECREF(done);
    PyErr_Clear();
}

/* Only where there is a generator to seed: most images have none, and pay one look. */
void wy_python_after(void) {
    PyObject *modules = PyImport_GetModuleDict();
    if (PyDict_GetItemWithError(modules, wy_python.random_name) != NULL ||
        PyDict_GetItemWithError(modules, wy_python.numpy_random_name) != NULL) {
        wy_python_started();
    }
    PyErr_Clear();
}
