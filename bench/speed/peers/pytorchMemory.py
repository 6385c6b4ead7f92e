"""Counts, without a GPU, the memory that PyTorch's step of a workload (pytorch.py) takes on one.

    python bench/speed/peers/pytorchMemory.py --workload FILE [--features live|cached]

The step runs on tensors that have shapes and no data (torch's FakeTensorMode); every storage is counted, rounded up to
512 bytes as CUDA's allocator does, from when an operation makes it until Python lets go of it. bf16, as the bench has
it. What differs between devices is done as on CUDA: attention keeps no scores (its memory-efficient kernel: queries, keys,
values, mask, result, one float a row), dropout keeps one byte an element. Workspaces of libraries, fragmentation and
CUDA's own context are not counted, so that the true peak is higher.

Prints JSON: bytes of the weights, before the step, and at its peak.
"""

import argparse
import gc
import json
import sys
import weakref
from pathlib import Path

import torch
import torch.nn.functional as functional
import transformers
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_
from torch.utils.weak import WeakIdKeyDictionary

sys.path.insert(0, str(Path(__file__).parent))
import pytorch as peer  # noqa: E402

STEPS = 3  # the optimizer's state comes with the first


class Attention(torch.autograd.Function):
    @staticmethod
    def forward(context, q, k, v, mask):
        out = torch.empty_like(q)
        context.save_for_backward(q, k, v, mask, out, torch.empty(q.shape[:-1], dtype=torch.float32))
        return out

    @staticmethod
    def backward(context, gradient):
        q, k, v, _, _, sums = context.saved_tensors
        torch.empty_like(sums)
        return torch.empty_like(q), torch.empty_like(k), torch.empty_like(v), None


def attention(query, key, value, attn_mask=None, **_):
    return Attention.apply(query, key, value, attn_mask)


class Dropout(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        context.save_for_backward(torch.empty(x.shape, dtype=torch.bool))
        return torch.empty_like(x)

    @staticmethod
    def backward(context, gradient):
        return torch.empty_like(gradient)


def dropout(x, p=0.5, training=True, inplace=False):
    return Dropout.apply(x) if training and p > 0 else x


class Count(TorchDispatchMode):
    """Bytes of the storages that operations make."""

    def __init__(self, known):
        super().__init__()
        self.seen = WeakIdKeyDictionary()
        for storage in known:
            self.seen[storage] = True
        self.live = self.peak = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        tree_map_(lambda each: self.add(each) if isinstance(each, torch.Tensor) else None, result)
        return result

    def add(self, tensor):
        storage = tensor.untyped_storage()
        if storage in self.seen:
            return
        self.seen[storage] = True
        size = -(-storage.nbytes() // 512) * 512
        self.change(size)
        weakref.finalize(storage, self.change, -size)

    def change(self, size):
        self.live += size
        self.peak = max(self.peak, self.live)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workload", required=True)
    parser.add_argument("--features", choices=["live", "cached"], default="live")
    arguments = parser.parse_args()
    with open(arguments.workload, encoding="utf-8") as file:
        workload = json.load(file)
    functional.scaled_dot_product_attention = attention
    functional.dropout = dropout
    # Without data there is nothing to read, to draw, or to move.
    torch.Tensor.item = lambda self: 1.0
    torch.nn.Module.to = lambda self, *_, **__: self
    transformers.PreTrainedModel.init_weights = lambda self: None
    torch.set_default_dtype(torch.bfloat16)
    with FakeTensorMode(allow_non_fake_inputs=True):
        model, language = peer.build(workload, "sdpa")
        for parameter in model.parameters():
            parameter.data = parameter.data.to(torch.bfloat16)
        storages = [parameter.untyped_storage() for parameter in model.parameters()]
        weights = sum(storage.nbytes() for storage in storages)
        with Count(storages) as count:
            step = peer.training(model, language, peer.make_batch(workload), arguments.features)
            for _ in range(STEPS):
                gc.collect()
                before = count.peak = count.live
                step()
    print(json.dumps({"weights": weights, "before": weights + before, "peak": weights + count.peak}))


if __name__ == "__main__":
    main()
