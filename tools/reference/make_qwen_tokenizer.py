"""Makes a small tokenizer of Qwen2's kind (byte-level BPE, its normaliser, its expression, its special tokens) and golden
encodings, by Hugging Face tokenizers. For test/fixtures/qwen; nothing in it is needed to install, run or test.

    pip install tokenizers==0.23.2
    python tools/reference/make_qwen_tokenizer.py OUT
"""

import json
import pathlib
import random
import sys

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"]
CORPUS = """system
You are a helpful assistant.
user
Why did the red square move to the left? A. because the blue circle touched it B. to reach the green triangle C. it was
pushed D. nothing moved E. the yellow star left the frame Answer with the option's letter from the given choices directly.
Answer the question using a single word or phrase. assistant Answer: A Answer: B Answer: C Answer: D Answer: E
First the red square stands still, then the blue circle moves toward it and touches it at 12 seconds, so it isn't alone."""
ODD = ["", " ", "  two  spaces ", "tab\tand\nnewline\r\n\r\nend", "naïve café e\u0301tude", "日本語のテスト", "👩‍👩‍👧 family 🎉🎉", "1234 5.6%",
       "IT'S They'RE we'll", "A", " A", "Option C", "\nAnswer: D", "...!!!\n\n", "a<|im_end|>b", "<video>", "x\u00a0y\u200bz", "Ω≈ç√∫"]


def main():
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(CORPUS.split("\n"), trainers.BpeTrainer(
        vocab_size=480, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    tokenizer.save(str(out / "tokenizer.json"), pretty=False)
    words = CORPUS.split()
    draw = random.Random(1)
    texts = ODD + CORPUS.split("\n") + [" ".join(draw.choices(words, k=draw.randint(1, 12))) for _ in range(60)]
    golden = []
    for text in texts:
        ids = tokenizer.encode(text).ids
        golden.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids)})
    (out / "golden.json").write_text(json.dumps(golden, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    main()
