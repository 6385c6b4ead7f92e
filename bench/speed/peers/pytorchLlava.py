"""The decoder-only workloads in PyTorch: LLaVA-OneVision of transformers with peft, for pytorch.py.

The step is the one of src/training: frozen vision tower (live: in the step, without gradients; cached: its output is kept),
projector trained, Qwen2 frozen with LoRA, loss = 0.2 answer + 0.8 reasoning, dropout on, AdamW. Both targets are packed
behind one prompt with a mask of four dimensions and positions that restart, and the head reads the targets alone, so both
sides compute the same; two passes, as transformers' labels want them, would read the prompt twice.
"""

import torch
from peft import LoraConfig, get_peft_model
from torch.nn.functional import cross_entropy, interpolate
from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration

ALPHA, BETA = 0.2, 0.8
NEW_TOKENS = 64


def student(arguments, workload):
    """One run of the workload's training step or decoding, and what is told of it first."""
    model = build(workload, arguments.attention)
    batch = make_batch(workload)
    make = training if arguments.bench == "train-step" else decoding
    return make(model, batch, arguments.features), {
        "attention": model.model.language_model.config._attn_implementation,
        "parameters": sum(p.numel() for p in model.parameters()),
        "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad)}


def build(workload, attention):
    text = workload["config"]
    config = LlavaOnevisionConfig(
        vision_config={**text["vision_config"], "vision_use_head": False}, text_config=text["text_config"],
        image_token_index=text["image_token_index"], video_token_index=text["video_token_index"],
        tie_word_embeddings=text["text_config"]["tie_word_embeddings"])
    if attention:
        config._attn_implementation = attention
    model = LlavaOnevisionForConditionalGeneration(config)
    lora = workload["lora"]
    names = "|".join(lora["target_modules"])
    get_peft_model(model, LoraConfig(
        r=lora["r"], lora_alpha=lora["lora_alpha"], lora_dropout=lora["lora_dropout"],
        target_modules=rf".*language_model.*\.({names})"))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name or "multi_modal_projector" in name)
    return model.to(torch.get_default_dtype())


def make_batch(workload):
    sizes, config = workload["batch"], workload["config"]
    image, videos = config["vision_config"]["image_size"], sizes["videos"]

    def ids(length):
        return torch.randint(3, config["video_token_index"], (videos, length))

    return {"videos": videos, "frames": sizes["frames"],
            "pixels": torch.randn(videos * sizes["frames"], 3, image, image), "prompt": ids(sizes["prompt"]),
            "targets": [ids(sizes[name]) for name in ("answer", "reasoning") if sizes[name] > 0]}


@torch.no_grad()
def vision_features(model, pixels):
    tower = model.model.vision_tower
    return tower.encoder(inputs_embeds=tower.embeddings(pixels)).last_hidden_state


def prompt_embeds(model, batch, features):
    """The pooled frames, a newline, the text: as get_video_features and apply_pooling, (videos, columns, width)."""
    inner = model.model
    seen = inner.multi_modal_projector(features)
    images, tokens, width = seen.shape
    side = int(tokens ** 0.5)
    grid = seen.transpose(1, 2).reshape(images, width, side, side)
    half = (side + 1) // 2
    pooled = interpolate(grid, size=[half, half], mode="bilinear").flatten(2).transpose(1, 2)
    videos = batch["videos"]
    newline = inner.image_newline.expand(videos, 1, width)
    text = inner.get_input_embeddings()(batch["prompt"])
    return torch.cat([pooled.reshape(videos, -1, width), newline, text], 1)


def packed(prompt, segments):
    """Positions (1, columns) and the additive mask (1, 1, columns, columns) of a prompt and segments behind it."""
    positions = list(range(prompt))
    segment = [0] * prompt
    for index, length in enumerate(segments):
        positions += range(prompt, prompt + length)
        segment += [index + 1] * length
    owner = torch.tensor(segment)
    count = len(positions)
    seen = torch.ones(count, count, dtype=torch.bool).tril()
    seen &= (owner[None, :] == 0) | (owner[None, :] == owner[:, None])
    mask = torch.where(seen, 0.0, torch.finfo(torch.get_default_dtype()).min)
    return torch.tensor(positions)[None], mask[None, None]


def training(model, batch, features):
    model.train()
    model.model.vision_tower.eval()
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [{"params": [p for p in trained if (p.dim() > 1) == decays], "weight_decay": 0.05 if decays else 0.0}
              for decays in (True, False)]
    optimizer = torch.optim.AdamW(groups, lr=3e-5)
    kept = vision_features(model, batch["pixels"]) if features == "cached" else None
    language, targets = model.model.language_model, batch["targets"]

    def step():
        visual = vision_features(model, batch["pixels"]) if kept is None else kept
        prompt = prompt_embeds(model, batch, visual)
        embed = model.get_input_embeddings()
        columns = prompt.shape[1]
        lengths = [target.shape[1] - 1 for target in targets]
        positions, mask = packed(columns, lengths)
        embeds = torch.cat([prompt, *[embed(target[:, :-1]) for target in targets]], 1)
        hidden = language(inputs_embeds=embeds, attention_mask=mask, position_ids=positions, use_cache=False)[0]
        loss, begin = 0, columns
        for weight, target, length in zip((ALPHA, BETA), targets, lengths):
            states = torch.cat([hidden[:, columns - 1:columns], hidden[:, begin:begin + length]], 1)
            loss = loss + weight * cross_entropy(model.lm_head(states).flatten(0, 1).float(), target.flatten())
            begin += length
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return {"loss": loss.item()}

    return step


def decoding(model, batch, _features):
    model.eval()
    with torch.no_grad():
        embeds = prompt_embeds(model, batch, vision_features(model, batch["pixels"]))

    @torch.no_grad()
    def run():
        ids = model.generate(inputs_embeds=embeds, attention_mask=torch.ones(embeds.shape[:2], dtype=torch.long),
                             do_sample=False, num_beams=1, min_new_tokens=NEW_TOKENS, max_new_tokens=NEW_TOKENS)
        if ids.shape[1] != NEW_TOKENS:
            raise SystemExit(f"generate made {ids.shape[1]} tokens, expected {NEW_TOKENS}")
        return {"tokens": NEW_TOKENS}

    return run
