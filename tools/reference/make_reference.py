"""Makes a reference folder for `reasvqa weights check`: random BLIP-2 FlanT5 weights with a LoRA adapter, inputs, and
what PyTorch (transformers, peft) computes from them. For checking this project against an independent truth; nothing
in it is needed to install, run or test.

    pip install torch==2.13.0 transformers==5.17.0 peft safetensors numpy
    python tools/reference/make_reference.py OUT [--seed N] [--for-bf16] [--set vision.hidden_size=48] ...

--for-bf16: a model that bf16 can compute, for `weights check --precision bf16`: frozen matrices hold numbers that bf16
can represent, T5's queries have its own initial scale (the others make attention nearly one-hot, which rounding turns
over) and the adapter is small. Without it bf16 weights move a gradient by a tenth and more.

Every loss, gradient and logit comes from the model that `from_pretrained` loads back from the written files, so the
folder holds everything its expectations depend on.
"""

import argparse
import json
import pathlib

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import save_file
from transformers import Blip2Config, Blip2ForConditionalGeneration

VISION = dict(hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=4, image_size=28,
              patch_size=14, layer_norm_eps=1e-6, qkv_bias=True, attention_dropout=0.0)
QFORMER = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48, vocab_size=30,
               cross_attention_frequency=2, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
TEXT = dict(model_type="t5", vocab_size=128, d_model=40, d_kv=12, d_ff=56, num_layers=2, num_decoder_layers=2,
            num_heads=3, relative_attention_num_buckets=32, relative_attention_max_distance=128, dropout_rate=0.0,
            layer_norm_epsilon=1e-6, feed_forward_proj="gated-gelu", dense_act_fn="gelu", pad_token_id=0,
            eos_token_id=1, decoder_start_token_id=0)
SHAPE = dict(videos=3, frames=2, prefix=3, prompt=9, answer=3, reasoning=12, queries=5)
LORA = dict(r=4, alpha=16)
TRAIN = dict(alpha=0.2, beta=0.8, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, weight_decay=0.05, steps=5, new_tokens=12)


def main():
    arguments = parse()
    groups = {"vision": VISION, "qformer": QFORMER, "text": TEXT, "shape": SHAPE, "lora": LORA, "train": TRAIN}
    for item in arguments.set:
        key, value = item.split("=", 1)
        group, name = key.split(".", 1)
        if name not in groups[group]:
            raise SystemExit(f"--set {key}: unknown; {group} has {', '.join(groups[group])}")
        groups[group][name] = json.loads(value)
    out = pathlib.Path(arguments.out)
    write_weights(out, arguments.seed, arguments.for_bf16)
    inputs = make_inputs(arguments.seed)
    model, language = load(out)
    tensors = {f"input.{name}": value for name, value in inputs.items()}
    tensors |= expectations(model, language, inputs)
    metadata = {"torch": torch.__version__, "decoder_start_token_id": str(TEXT["decoder_start_token_id"]),
                "alpha": str(TRAIN["alpha"]), "beta": str(TRAIN["beta"]), "lora_r": str(LORA["r"]), "lora_alpha": str(LORA["alpha"]),
                "adamw_lr": str(TRAIN["lr"]), "adamw_beta1": str(TRAIN["beta1"]), "adamw_beta2": str(TRAIN["beta2"]),
                "adamw_eps": str(TRAIN["eps"]), "adamw_weight_decay": str(TRAIN["weight_decay"]),
                "adamw_steps": str(TRAIN["steps"])}
    save_file({name: value.detach().contiguous() for name, value in tensors.items()},
              out / "reference.safetensors", metadata)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--for-bf16", action="store_true")
    parser.add_argument("--set", action="append", default=[], metavar="GROUP.KEY=JSON")
    return parser.parse_args()


def learns(name):
    return "lora_" in name or name.startswith(("qformer.", "query_tokens", "language_projection.")) \
        or "post_layernorm" in name


def write_weights(out, seed, for_bf16):
    """Random weights large enough that every part of the model matters; the output head untied from the embedding."""
    torch.manual_seed(seed)
    config = Blip2Config(vision_config=VISION, qformer_config=QFORMER | {"encoder_hidden_size": VISION["hidden_size"]},
                         text_config=TEXT, num_query_tokens=SHAPE["queries"], tie_word_embeddings=False)
    config.text_config.tie_word_embeddings = False
    config.text_config.scale_decoder_outputs = False
    model = Blip2ForConditionalGeneration(config)
    for name, parameter in model.named_parameters():
        randomise(name, parameter)
        if for_bf16 and "Attention.q." in name:
            parameter.data.mul_(TEXT["d_kv"] ** -0.5)
    state = {name: value.clone() for name, value in model.state_dict().items() if "embed_tokens" not in name}
    state["language_model.lm_head.weight"] = torch.randn_like(state["language_model.shared.weight"]) * 0.3
    if for_bf16:
        state = {name: value if learns(name) or value.dim() < 2 else value.bfloat16().float()
                 for name, value in state.items()}
    out.mkdir(parents=True, exist_ok=True)
    save_file(state, out / "model.safetensors", {"format": "pt"})
    text = json.loads(config.to_json_string(use_diff=False))
    text["text_config"]["tie_word_embeddings"] = False
    (out / "config.json").write_text(json.dumps(text, indent=1) + "\n")
    adapted = get_peft_model(model.language_model, LoraConfig(
        r=LORA["r"], lora_alpha=LORA["alpha"], lora_dropout=0.0, target_modules=["q", "v"]))
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            parameter.data.normal_(0, 0.05 if for_bf16 else 0.15)
    adapted.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)


def randomise(name, parameter):
    if name.endswith("norm.weight") or "LayerNorm.weight" in name or "layer_norm" in name and name.endswith("weight"):
        parameter.data.normal_(1, 0.1)
    elif parameter.dim() == 1:
        parameter.data.normal_(0, 0.1)
    elif "shared" in name or "embedding" in name or "query_tokens" in name or "relative" in name:
        parameter.data.normal_(0, 1)
    else:
        parameter.data.normal_(0, parameter[0].numel() ** -0.5)


def make_inputs(seed):
    generator = torch.Generator().manual_seed(seed + 1000)
    s, vocab = SHAPE, TEXT["vocab_size"]

    def ids(*shape):
        return torch.randint(3, vocab, shape, generator=generator, dtype=torch.int32)

    pixels = torch.randn(s["videos"], s["frames"], 3, VISION["image_size"], VISION["image_size"], generator=generator)
    mask = torch.ones(s["videos"], s["prompt"], dtype=torch.int32)
    answer, reasoning = ids(s["videos"], s["answer"]), ids(s["videos"], s["reasoning"])
    for row in range(s["videos"]):
        mask[row, s["prompt"] - 2 * row:] = 0 if row else 1
        end_at(answer, row, s["answer"] - row % 2)
        end_at(reasoning, row, s["reasoning"] - 3 * row)
    reasoning[-1] = -100
    return {"pixel_values": pixels, "frame_prefix_ids": ids(s["frames"], s["prefix"]),
            "prompt_ids": ids(s["videos"], s["prompt"]) * mask, "prompt_mask": mask,
            "answer_labels": answer, "reasoning_labels": reasoning}


def end_at(labels, row, length):
    labels[row, length - 1] = 1
    labels[row, length:] = -100


def load(out):
    model = Blip2ForConditionalGeneration.from_pretrained(out, adapter_kwargs=None, ignore_mismatched_sizes=False) \
        if not (out / "adapter_config.json").exists() else load_base(out)
    language = PeftModel.from_pretrained(model.language_model, out, is_trainable=True)
    return model.float().train(), language.train()


def load_base(out):
    """from_pretrained would put the adapter on BLIP-2 itself; the adapter belongs to the language model."""
    adapter = out / "adapter_config.json"
    hidden = out / "adapter_config.json.hidden"
    adapter.rename(hidden)
    try:
        model = Blip2ForConditionalGeneration.from_pretrained(out)
    finally:
        hidden.rename(adapter)
    text = model.language_model
    tied = text.decoder.embed_tokens.weight is text.shared.weight or torch.equal(
        text.decoder.embed_tokens.weight, text.shared.weight)
    if not tied or text.lm_head.weight is text.shared.weight or text.config.scale_decoder_outputs:
        raise SystemExit("transformers loaded another model than the files hold: embeddings or head are tied wrongly")
    return model


def expectations(model, language, inputs):
    trainable = {}
    for name, parameter in list(model.named_parameters()):
        parameter.requires_grad_(learns(name))
        if learns(name):
            trainable[gradient_name(name)] = parameter
    parts = forward(model, language, inputs)
    parts["loss"].backward()
    result = {f"expect.{name}": value.reshape(1) if value.dim() == 0 else value for name, value in parts.items()}
    result |= {f"grad.{name}": parameter.grad.clone() for name, parameter in trainable.items()
               if parameter.grad is not None}
    result["expect.greedy_ids"] = greedy(model, language, inputs)
    result["expect.adamw_losses"] = adamw(model, language, inputs, list(trainable.values()))
    return result


def gradient_name(name):
    if "lora_" not in name:
        return name
    path = name.split("base_model.model.")[-1].replace("language_model.", "").replace(".default", "")
    return f"lora.{path}"


def encoder_input(model, inputs):
    pixels = inputs["pixel_values"]
    videos, frames = pixels.shape[:2]
    vision = model.vision_model(pixels.flatten(0, 1)).last_hidden_state
    queries = model.query_tokens.expand(videos * frames, -1, -1)
    qformer = model.qformer(query_embeds=queries, encoder_hidden_states=vision).last_hidden_state
    projection = model.language_projection(qformer)
    embed = model.language_model.get_input_embeddings()
    prefix = embed(inputs["frame_prefix_ids"].long()).unsqueeze(0).expand(videos, -1, -1, -1)
    per_frame = torch.cat([prefix, projection.reshape(videos, frames, *projection.shape[1:])], 2)
    embeds = torch.cat([per_frame.flatten(1, 2), embed(inputs["prompt_ids"].long())], 1)
    mask = torch.cat([torch.ones(videos, per_frame.shape[1] * per_frame.shape[2], dtype=torch.long),
                      inputs["prompt_mask"].long()], 1)
    return vision, qformer, projection, embeds, mask


def forward(model, language, inputs):
    vision, qformer, projection, embeds, mask = encoder_input(model, inputs)
    encoder = language.get_encoder()(inputs_embeds=embeds, attention_mask=mask)
    parts = {"vision": vision, "qformer": qformer, "projection": projection,
             "encoder": encoder.last_hidden_state * mask.unsqueeze(-1)}
    losses = {}
    for task, labels in (("answer", inputs["answer_labels"]), ("reasoning", inputs["reasoning_labels"])):
        output = language(encoder_outputs=encoder, attention_mask=mask, labels=labels.long())
        parts[f"{task}_logits"], losses[task] = output.logits, output.loss
    parts["loss_qa"], parts["loss_reasoning"] = losses["answer"], losses["reasoning"]
    parts["loss"] = TRAIN["alpha"] * losses["answer"] + TRAIN["beta"] * losses["reasoning"]
    return parts


@torch.no_grad()
def greedy(model, language, inputs):
    *_, embeds, mask = encoder_input(model, inputs)
    encoder = language.get_encoder()(inputs_embeds=embeds, attention_mask=mask)
    ids = torch.full((embeds.shape[0], 1), TEXT["decoder_start_token_id"])
    for _ in range(TRAIN["new_tokens"]):
        logits = language(encoder_outputs=encoder, attention_mask=mask, decoder_input_ids=ids).logits
        ids = torch.cat([ids, logits[:, -1:].argmax(-1)], 1)
    return ids[:, 1:].int()


def adamw(model, language, inputs, parameters):
    groups = [{"params": [p for p in parameters if (p.dim() > 1) == decays],
               "weight_decay": TRAIN["weight_decay"] if decays else 0.0} for decays in (True, False)]
    optimizer = torch.optim.AdamW(groups, lr=TRAIN["lr"], betas=(TRAIN["beta1"], TRAIN["beta2"]), eps=TRAIN["eps"])
    losses = []
    for _ in range(TRAIN["steps"]):
        optimizer.zero_grad()
        loss = forward(model, language, inputs)["loss"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return torch.tensor(losses)


if __name__ == "__main__":
    main()
