"""Makes a reference folder for `reasvqa weights check`: a random LLaVA-OneVision (SigLIP, Qwen2) with a LoRA adapter, inputs,
and what PyTorch (transformers, peft) computes from them. For checking this project against an independent truth; nothing in
it is needed to install, run or test.

    pip install torch==2.13.0 transformers==5.17.0 peft safetensors numpy
    python tools/reference/make_llava_reference.py OUT [--seed N] [--layout published|saved|modules|original]
        [--dtype F32|F16|BF16] [--shards N] [--untied] [--old-adapter] [--set text.hidden_size=48] ...

Every sample is a sequence of its own here: its prompt, then one target, right-padded; two passes for two targets. Every loss,
gradient and logit comes from the model that `from_pretrained` loads back from the files as transformers writes them, widened
to float32; the folder then gets the same tensors under the names of the layout.
"""

import argparse
import json
import pathlib
import re
import shutil
import tempfile

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration

VISION = dict(model_type="siglip_vision_model", hidden_size=24, intermediate_size=40, num_hidden_layers=2,
              num_attention_heads=3, image_size=46, patch_size=9, vision_use_head=False)
TEXT = dict(model_type="qwen2", vocab_size=96, hidden_size=32, intermediate_size=40, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, rms_norm_eps=1e-6, rope_theta=1e6, max_position_embeddings=512,
            tie_word_embeddings=True)
SHAPE = dict(videos=3, frames=2, before=3, after=7, answer=3, reasoning=9)
LORA = dict(r=4, alpha=16, targets=["q_proj", "k_proj", "v_proj", "o_proj"])
TRAIN = dict(alpha=0.2, beta=0.8, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.05, steps=5, new_tokens=12)
PROJECTOR = "model.multi_modal_projector."


def main():
    arguments = parse()
    groups = {"vision": VISION, "text": TEXT, "shape": SHAPE, "lora": LORA, "train": TRAIN}
    for item in arguments.set:
        key, value = item.split("=", 1)
        group, name = key.split(".", 1)
        groups[group][name] = json.loads(value)
    if arguments.untied:
        TEXT["tie_word_embeddings"] = False
    out = pathlib.Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        base, adapter = pathlib.Path(scratch) / "base", pathlib.Path(scratch) / "adapter"
        write_weights(base, adapter, arguments)
        model = PeftModel.from_pretrained(
            LlavaOnevisionForConditionalGeneration.from_pretrained(base, dtype=torch.float32), adapter, is_trainable=True)
        publish(base, adapter, out, arguments)
    model.float().train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(learns(name))
    inputs = make_inputs(arguments.seed, model)
    greedy, margin = greedy_ids(model, inputs)
    tensors = {f"input.{name}": value for name, value in inputs.items()}
    tensors |= expectations(model, inputs) | {"expect.greedy_ids": greedy}
    tensors["expect.adamw_losses"] = adamw_losses(model, inputs)
    metadata = {"torch": torch.__version__, "video_token_id": str(video_token()), "greedy_margin": f"{margin:.6f}",
                "alpha": str(TRAIN["alpha"]), "beta": str(TRAIN["beta"]), "lora_r": str(LORA["r"]),
                "lora_alpha": str(LORA["alpha"]), "adamw_lr": str(TRAIN["lr"]), "adamw_beta1": str(TRAIN["beta1"]),
                "adamw_beta2": str(TRAIN["beta2"]), "adamw_eps": str(TRAIN["eps"]),
                "adamw_weight_decay": str(TRAIN["weight_decay"]), "adamw_steps": str(TRAIN["steps"])}
    save_file({name: value.detach().contiguous() for name, value in tensors.items()},
              out / "reference.safetensors", metadata)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--layout", choices=["published", "saved", "modules", "original"], default="published")
    parser.add_argument("--dtype", choices=["F32", "F16", "BF16"], default="F32")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--untied", action="store_true")
    parser.add_argument("--old-adapter", action="store_true", help="adapter keys as of transformers 4")
    parser.add_argument("--set", action="append", default=[], metavar="GROUP.KEY=JSON")
    return parser.parse_args()


def video_token():
    return TEXT["vocab_size"] - 1


def eos():
    return TEXT["vocab_size"] - 3


def learns(name):
    return "lora_" in name or PROJECTOR in name


def write_weights(base, adapter, arguments):
    """Random weights large enough that every part of the model matters."""
    torch.manual_seed(arguments.seed)
    image = VISION["image_size"]
    config = LlavaOnevisionConfig(vision_config=VISION, text_config=TEXT, video_token_index=video_token(),
                                  image_token_index=video_token() - 1, image_grid_pinpoints=[[image, image]],
                                  tie_word_embeddings=TEXT["tie_word_embeddings"])
    model = LlavaOnevisionForConditionalGeneration(config)
    for name, parameter in model.named_parameters():
        if "norm" in name and name.endswith("weight"):
            parameter.data.normal_(1, 0.1)
        elif parameter.dim() == 1:
            parameter.data.normal_(0, 0.3)
        elif "embed" in name or "position" in name:
            parameter.data.normal_(0, 0.6)
        else:
            parameter.data.normal_(0, parameter[0].numel() ** -0.5)
    dtype = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}[arguments.dtype]
    model.to(dtype).save_pretrained(base)
    pattern = rf".*language_model.*\.({'|'.join(LORA['targets'])})"
    adapted = get_peft_model(model.float(), LoraConfig(
        r=LORA["r"], lora_alpha=LORA["alpha"], lora_dropout=0.0, target_modules=pattern))
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0, 0.15)
    adapted.save_pretrained(adapter)


def publish(base, adapter, out, arguments):
    """The written checkpoint under the names of the layout, in shards."""
    state = {}
    for path in sorted(base.glob("*.safetensors")):
        state |= load_file(path)
    state = {rename(name, arguments.layout): value for name, value in state.items()}
    config = json.loads((base / "config.json").read_text())
    if arguments.layout == "published":
        text = config["text_config"]
        text["rope_theta"] = text.pop("rope_parameters", {}).get("rope_theta", TEXT["rope_theta"])
        config["tie_word_embeddings"] = False
    (out / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    names = sorted(state)
    if arguments.shards == 1:
        save_file(state, out / "model.safetensors", {"format": "pt"})
    else:
        index = {}
        for i in range(arguments.shards):
            file = f"model-{i + 1:05d}-of-{arguments.shards:05d}.safetensors"
            part = {name: state[name] for name in names[i::arguments.shards]}
            save_file(part, out / file, {"format": "pt"})
            index |= {name: file for name in part}
        (out / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    shutil.copy(adapter / "adapter_config.json", out)
    keys = load_file(adapter / "adapter_model.safetensors")
    if arguments.old_adapter:
        keys = {name.replace("model.model.language_model.", "model.language_model.model."): value
                for name, value in keys.items()}
    save_file(keys, out / "adapter_model.safetensors", {"format": "pt"})


def rename(name, layout):
    """From any layout's name to that of one: first to the module names of transformers 5."""
    name = re.sub(r"^(model\.)?vision_tower\.(vision_model\.)?", "model.vision_tower.", name)
    name = re.sub(r"^(model\.)?multi_modal_projector", "model.multi_modal_projector", name)
    name = re.sub(r"^(model\.)?image_newline", "model.image_newline", name)
    name = re.sub(r"^language_model\.lm_head", "lm_head", name)
    name = re.sub(r"^(language_model\.model|model\.language_model)\.", "model.language_model.", name)
    if layout == "modules":
        return name
    if layout == "original":
        name = name.replace("model.vision_tower.", "model.vision_tower.vision_tower.vision_model.")
        name = name.replace("model.multi_modal_projector.linear_1", "model.mm_projector.0")
        name = name.replace("model.multi_modal_projector.linear_2", "model.mm_projector.2")
        return name.replace("model.language_model.", "model.")
    vision = "vision_tower.vision_model." if layout == "published" else "vision_tower."
    name = name.replace("model.vision_tower.", vision).replace("model.multi_modal", "multi_modal")
    name = name.replace("model.image_newline", "image_newline").replace("lm_head", "language_model.lm_head")
    return name.replace("model.language_model.", "language_model.model.")


def make_inputs(seed, model):
    generator = torch.Generator().manual_seed(seed + 1000)
    s = SHAPE
    side = -(-(VISION["image_size"] // VISION["patch_size"]) // 2)
    video = [video_token()] * (s["frames"] * side * side + 1)
    image = VISION["image_size"]

    def ids(count):
        return torch.randint(0, TEXT["vocab_size"] - 3, (count,), generator=generator).tolist()

    prompts, answers, reasonings = [], [], []
    for row in range(s["videos"]):
        prompts.append(ids(s["before"]) + video + ids(s["after"] - row % s["after"]))
        answers.append(ids(max(1, s["answer"] - row % 2) - 1) + [eos()])
        reasonings.append(ids(max(1, s["reasoning"] - 3 * row) - 1) + [eos()])
    if s["videos"] > 1:
        reasonings[-1] = []
    prompt_ids = padded(prompts, 0)
    mask = padded([[1] * len(row) for row in prompts], 0)
    return {"pixel_values": torch.randn(s["videos"], s["frames"], 3, image, image, generator=generator),
            "prompt_ids": prompt_ids, "prompt_mask": mask,
            "answer_labels": padded(answers, -100, s["answer"]), "reasoning_labels": padded(reasonings, -100)}


def padded(rows, value, least=1):
    width = max(least, *(len(row) for row in rows))
    return torch.tensor([row + [value] * (width - len(row)) for row in rows], dtype=torch.int32)


def rows_of(ids, keep):
    return [row[kept].tolist() for row, kept in zip(ids, keep)]


def run(model, inputs, labels):
    """One sequence a sample: its prompt, then its labels but the last. Returns logits that write the labels, and states."""
    prompts = rows_of(inputs["prompt_ids"], inputs["prompt_mask"] == 1)
    targets = rows_of(labels, labels != -100)
    sequences = [prompt + target[:-1] for prompt, target in zip(prompts, targets)]
    ids = padded(sequences, 0).long()
    mask = padded([[1] * len(row) for row in sequences], 0).long()
    made = model(input_ids=ids, attention_mask=mask, pixel_values_videos=inputs["pixel_values"],
                 output_hidden_states=True)
    width, vocabulary = labels.shape[1], made.logits.shape[-1]
    logits = torch.zeros(len(prompts), width, vocabulary)
    losses = []
    for row, (prompt, target) in enumerate(zip(prompts, targets)):
        if target:
            written = made.logits[row, len(prompt) - 1:len(prompt) - 1 + len(target)]
            losses.append(torch.nn.functional.cross_entropy(written, torch.tensor(target), reduction="none"))
            logits[row, :len(target)] = written
    return logits, torch.cat(losses).mean() if losses else torch.zeros(()), made.hidden_states[-1]


def losses_of(model, inputs):
    answer, qa, hidden = run(model, inputs, inputs["answer_labels"])
    reasoning, why, _ = run(model, inputs, inputs["reasoning_labels"])
    return TRAIN["alpha"] * qa + TRAIN["beta"] * why, qa, why, answer, reasoning, hidden


def expectations(model, inputs):
    seen = {}
    base = model.base_model.model.model
    hooks = [base.vision_tower.register_forward_hook(lambda _, __, made: seen.update(vision=made)),
             base.multi_modal_projector.register_forward_hook(lambda _, __, made: seen.update(projection=made))]
    pooling = base.apply_pooling
    base.apply_pooling = lambda x: seen.setdefault("pooled", pooling(x))
    total, qa, why, answer, reasoning, hidden = losses_of(model, inputs)
    base.apply_pooling = pooling
    for hook in hooks:
        hook.remove()
    total.backward()
    mask = inputs["prompt_mask"]
    found = {"expect.vision": vision_states(base, inputs), "expect.projection": seen["projection"],
             "expect.pooled": seen["pooled"], "expect.hidden": hidden[:, :mask.shape[1]] * mask[:, :, None],
             "expect.answer_logits": answer, "expect.reasoning_logits": reasoning, "expect.loss_qa": qa.reshape(1),
             "expect.loss_reasoning": why.reshape(1), "expect.loss": total.reshape(1)}
    for name, parameter in model.named_parameters():
        if learns(name):
            path = name.replace("base_model.model.model.", "").replace(".default", "")
            found[f"grad.lora.{path}" if "lora_" in path else f"grad.{path}"] = parameter.grad.clone()
    model.zero_grad()
    return found


def vision_states(base, inputs):
    with torch.no_grad():
        made = base.vision_tower(inputs["pixel_values"].flatten(0, 1), output_hidden_states=True)
    return made.hidden_states[-1]


@torch.no_grad()
def greedy_ids(model, inputs):
    prompts = rows_of(inputs["prompt_ids"], inputs["prompt_mask"] == 1)
    rows, margin = [], float("inf")
    for row, prompt in enumerate(prompts):
        ids = list(prompt)
        for _ in range(TRAIN["new_tokens"]):
            logits = model(input_ids=torch.tensor([ids]), pixel_values_videos=inputs["pixel_values"][row:row + 1]).logits[0, -1]
            best = logits.topk(2).values
            margin = min(margin, float(best[0] - best[1]))
            ids.append(int(logits.argmax()))
            if ids[-1] >= video_token() - 1:
                raise SystemExit("greedy decoding writes a placeholder, which asks for pictures: take another --seed")
        rows.append(ids[len(prompt):])
    return torch.tensor(rows, dtype=torch.int32), margin


def adamw_losses(model, inputs):
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [{"params": [p for p in trained if p.dim() > 1], "weight_decay": TRAIN["weight_decay"]},
              {"params": [p for p in trained if p.dim() < 2], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=TRAIN["lr"], betas=(TRAIN["beta1"], TRAIN["beta2"]), eps=TRAIN["eps"])
    losses = []
    for _ in range(TRAIN["steps"]):
        optimizer.zero_grad()
        total = losses_of(model, inputs)[0]
        losses.append(total.detach())
        total.backward()
        optimizer.step()
    return torch.stack(losses)


if __name__ == "__main__":
    main()
