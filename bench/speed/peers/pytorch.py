"""The workloads of bench/speed/workloads in PyTorch (transformers, peft; eager): what `npm run bench` compares with.

    python bench/speed/peers/pytorch.py train-step|decode|gemm --workload FILE [--features live|cached] [--threads N]
                                  [--device cpu|cuda:0] [--precision f32|bf16] [--size N]
                                  [--attention sdpa|eager] [--repeats N] [--driven]

Prints JSON lines: first {"ready", "name", ...}, then one {"ms", ...} for each run. With --driven a run starts at each
line on stdin and the program ends with it; else it runs --repeats times by itself.

bf16: everything is stored and computed so, what is trained included, which is PyTorch's fastest and smallest. gemm: the
product of an N x N matrix with another one's transpose.

The step is the one of src/training: frozen vision model (live: in the step, without gradients; cached: its output is
kept), post_layernorm, Q-Former and projection trained, FlanT5 frozen with LoRA, one encoder pass for both targets,
loss = 0.2 answer + 0.8 reasoning, dropout on, AdamW. transformers has no packed targets, so the decoder runs twice.
A decoder-only student (LLaVA-OneVision) is in pytorchLlava.py.
"""

import argparse
import json
import resource
import sys
import time

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import Blip2Config, Blip2ForConditionalGeneration

ALPHA, BETA = 0.2, 0.8
NEW_TOKENS = 64
PRODUCTS = 10


def main():
    arguments = parse()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    # Tensors are made where they are used: 3.9 B parameters drawn on the CPU would take minutes.
    torch.set_default_device(arguments.device)
    torch.set_default_dtype(torch.bfloat16 if arguments.precision == "bf16" else torch.float32)
    run, about = products(arguments.size) if arguments.bench == "gemm" else student(arguments)
    versions = f"PyTorch {torch.__version__}, transformers {transformers.__version__}, peft {peft.__version__}"
    on_gpu = torch.device(arguments.device).type == "cuda"
    where = torch.cuda.get_device_name(arguments.device) if on_gpu else f"{arguments.threads} threads"
    attention = about.pop("attention", None)
    what = [versions, arguments.precision, *([f"{attention} attention"] if attention else []), where]
    say(ready=True, name=", ".join(what), **about)
    for _ in sys.stdin if arguments.driven else range(arguments.repeats):
        start = time.perf_counter()
        extra = run()
        if on_gpu:
            torch.cuda.synchronize()
            extra["maxDevice"] = torch.cuda.max_memory_allocated()
        milliseconds = 1000 * (time.perf_counter() - start)
        # What a run says of its own time counts: several products are one run.
        say(**{"ms": milliseconds, "cpuSeconds": time.process_time(), "maxResident": peak_resident(), **extra})


def student(arguments):
    """One run of the workload's training step or decoding, and what is told of it first."""
    with open(arguments.workload, encoding="utf-8") as file:
        workload = json.load(file)
    if workload["config"].get("model_type") == "llava_onevision":
        import pytorchLlava
        return pytorchLlava.student(arguments, workload)
    model, language = build(workload, arguments.attention)
    batch = make_batch(workload)
    if arguments.bench == "train-step":
        run = training(model, language, batch, arguments.features)
    else:
        run = decoding(model, language, batch)
    return run, {"attention": language.config._attn_implementation,
                 "parameters": sum(p.numel() for p in model.parameters()),
                 "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad)}


def products(size):
    a, b = torch.randn(size, size), torch.randn(size, size)

    def run():
        if a.is_cuda:
            torch.cuda.synchronize()
        start = time.perf_counter()
        for _ in range(PRODUCTS):
            torch.matmul(a, b.T)
        if a.is_cuda:
            torch.cuda.synchronize()
        return {"ms": 1000 * (time.perf_counter() - start) / PRODUCTS}

    return run, {}


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bench", choices=["train-step", "decode", "gemm"])
    parser.add_argument("--workload", required=True)
    parser.add_argument("--features", choices=["live", "cached"], default="live")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    parser.add_argument("--size", type=int, default=1024, help="side of gemm's matrices (1024)")
    parser.add_argument("--attention", choices=["sdpa", "eager"], help="default: what transformers chooses")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--driven", action="store_true")
    return parser.parse_args()


def say(**fields):
    print(json.dumps(fields), flush=True)


def peak_resident():
    """Bytes; Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def build(workload, attention):
    """Random weights. The head has a weight of its own, which transformers 5 does only when told in both places; it then
    also gives encoder and decoder embeddings of their own, where T5 has one."""
    text = workload["config"]
    config = Blip2Config(vision_config=text["vision_config"], qformer_config=text["qformer_config"],
                         text_config=text["text_config"], num_query_tokens=text["num_query_tokens"],
                         tie_word_embeddings=False)
    config.text_config.tie_word_embeddings = False
    config.text_config.scale_decoder_outputs = False
    if attention:
        config._attn_implementation = attention
    model = Blip2ForConditionalGeneration(config)
    text_model = model.language_model
    if text_model.lm_head.weight is text_model.shared.weight:
        raise SystemExit("transformers tied the output head to the embedding")
    text_model.encoder.embed_tokens.weight = text_model.shared.weight
    text_model.decoder.embed_tokens.weight = text_model.shared.weight
    lora = workload["lora"]
    language = get_peft_model(model.language_model, LoraConfig(
        r=lora["r"], lora_alpha=lora["lora_alpha"], lora_dropout=lora["lora_dropout"],
        target_modules=lora["target_modules"]))
    for name, parameter in model.named_parameters():
        learns = "lora_" in name or name.startswith(("qformer.", "query_tokens", "language_projection.")) \
            or "post_layernorm" in name
        parameter.requires_grad_(learns)
    return model.to(torch.get_default_dtype()), language


def make_batch(workload):
    sizes, text = workload["batch"], workload["config"]["text_config"]
    image = workload["config"]["vision_config"]["image_size"]
    videos, frames = sizes["videos"], sizes["frames"]

    def ids(*shape):
        return torch.randint(3, text["vocab_size"], shape)

    return {"videos": videos, "frames": frames, "pixels": torch.randn(videos * frames, 3, image, image),
            "prefix": ids(frames, sizes["prefix"]), "prompt": ids(videos, sizes["prompt"]),
            "answer": ids(videos, sizes["answer"]),
            "reasoning": ids(videos, sizes["reasoning"]) if sizes["reasoning"] > 0 else None}


@torch.no_grad()
def vision_features(model, pixels):
    vision = model.vision_model
    return vision.encoder(inputs_embeds=vision.embeddings(pixels)).last_hidden_state


def encoder_input(model, language, batch, features):
    videos, frames = batch["videos"], batch["frames"]
    vision = model.vision_model.post_layernorm(features)
    queries = model.query_tokens.expand(videos * frames, -1, -1)
    found = model.qformer(query_embeds=queries, encoder_hidden_states=vision).last_hidden_state
    projected = model.language_projection(found)
    embed = language.get_input_embeddings()
    prefix = embed(batch["prefix"]).unsqueeze(0).expand(videos, -1, -1, -1)
    per_frame = torch.cat([prefix, projected.reshape(videos, frames, *projected.shape[1:])], 2)
    embeds = torch.cat([per_frame.flatten(1, 2), embed(batch["prompt"])], 1)
    return embeds, torch.ones(embeds.shape[:2], dtype=torch.long)


def training(model, language, batch, features):
    model.train()
    language.train()
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [{"params": [p for p in trained if (p.dim() > 1) == decays], "weight_decay": 0.05 if decays else 0.0}
              for decays in (True, False)]
    optimizer = torch.optim.AdamW(groups, lr=3e-5)
    kept = vision_features(model, batch["pixels"]) if features == "cached" else None

    def step():
        visual = vision_features(model, batch["pixels"]) if kept is None else kept
        embeds, mask = encoder_input(model, language, batch, visual)
        encoder = language.get_encoder()(inputs_embeds=embeds, attention_mask=mask)

        def loss_of(labels):
            return language(encoder_outputs=encoder, attention_mask=mask, labels=labels).loss

        loss = ALPHA * loss_of(batch["answer"])
        if batch["reasoning"] is not None:
            loss = loss + BETA * loss_of(batch["reasoning"])
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return {"loss": loss.item()}

    return step


def decoding(model, language, batch):
    model.eval()
    language.eval()
    with torch.no_grad():
        embeds, mask = encoder_input(model, language, batch, vision_features(model, batch["pixels"]))

    @torch.no_grad()
    def run():
        ids = language.generate(inputs_embeds=embeds, attention_mask=mask, do_sample=False, num_beams=1,
                                min_new_tokens=NEW_TOKENS, max_new_tokens=NEW_TOKENS)
        tokens = ids.shape[1] - 1
        if tokens != NEW_TOKENS:
            raise SystemExit(f"generate made {tokens} tokens, expected {NEW_TOKENS}")
        return {"tokens": tokens}

    return run


if __name__ == "__main__":
    main()
