/* What the adapter's files share. One interpreter per process, one thread at a time (the GIL). */
#ifndef WAYANG_PYTHON_INTERPRETER_H
#define WAYANG_PYTHON_INTERPRETER_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "python/adapter.h"

/* A function of the image. */
typedef struct wy_python_function {
    PyObject *callable;
    int arity; /* 0 to 2 of (data, ctx) */
} wy_python_function;

typedef struct wy_interpreter {
    const wayang_host *host;
    const wy_python_services *services;
    wayang_call *call; /* the one that runs, or NULL */
    int forked;        /* a child of a worker: it has no task and no channel */
    /* Of runtime.py: */
    PyObject *describe, *reseed, *run_coroutine;
    PyObject *yield; /* wayang.Yield */
    PyObject *random_name, *numpy_random_name;
} wy_interpreter;

extern wy_interpreter wy_python;

/* context.c: the module _wayang, with the type Context. */
PyObject *wy_python_module(void);
/* A context for the call that runs; and its end: what somebody kept of it says so from then on. */
PyObject *wy_context_new(void);
void wy_context_end(PyObject *context);

/* call.c: a wayang_function whose state is a wy_python_function. */
int wy_python_run(wayang_call *call, const void *input, size_t length);
void wy_python_started(void);
void wy_python_after(void);

#endif
