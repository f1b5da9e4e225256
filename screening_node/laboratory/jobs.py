"""Independent trainings side by side: on several GPUs, or on the cores of a CPU."""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from typing import Any, TypeVar

import torch

from screening_node.errors import Misconfigured
from screening_node.laboratory.progress import Progress, Report

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")
#: What is done for one task on one device.
Work = Callable[[_Task, torch.device, Report], _Result]

_LISTEN_SECONDS = 0.5


def pick_devices(name: str, jobs: int) -> list[str]:
    """One device for each job that runs at a time. "auto": every GPU there is, else ``jobs`` times the CPU.

    Misconfigured where a device is not there.
    """
    if name == "auto":
        gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
        return [gpu for gpu in gpus for _ in range(jobs)] or ["cpu"] * jobs
    try:
        torch.zeros(1, device=torch.device(name))
    except (RuntimeError, AssertionError) as error:
        raise Misconfigured(f"The device {name!r} cannot be used: {error}.", fix="Use auto, cpu or cuda.") from error
    return [name] * jobs


def run_all(
    work: Work[_Task, _Result], tasks: Sequence[_Task], devices: Sequence[str], report: Report
) -> Iterator[tuple[_Task, _Result]]:
    """Every task with its result, as they end; as many at a time as there are devices. The first error ends it.

    On the CPU each job gets its share of the cores: figures may differ in the last digits with the number of jobs.
    """
    if len(devices) == 1 or len(tasks) == 1:
        for task in tasks:
            yield task, work(task, torch.device(devices[0]), report)
        return
    context = multiprocessing.get_context("spawn")
    threads = max((os.cpu_count() or 1) // len(devices), 1)
    with context.Manager() as manager, ProcessPoolExecutor(len(devices), mp_context=context) as pool:
        free, said = manager.Queue(), manager.Queue()
        for device in devices:
            free.put(device)
        waiting = {pool.submit(_on_a_device, work, task, free, said, threads): task for task in tasks}
        try:
            for future in _as_they_end(set(waiting), said, report):
                yield waiting[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _as_they_end(waiting: set[Future[Any]], said: Any, report: Report) -> Iterator[Future[Any]]:
    while waiting:
        done, waiting = wait(waiting, _LISTEN_SECONDS, FIRST_COMPLETED)
        with suppress(queue.Empty):
            while True:
                report(said.get_nowait())
        yield from done


def _on_a_device(work: Work[_Task, _Result], task: _Task, free: Any, said: Any, threads: int) -> _Result:
    torch.set_num_threads(threads)
    device = free.get()

    def report(progress: Progress) -> None:
        if progress.note:  # once an epoch: a step is too little to talk about between processes
            said.put(progress)

    try:
        return work(task, torch.device(device), report)
    finally:
        free.put(device)
