#!/usr/bin/env python3
"""anchor-kat as other suites use it: every operation, and every kind of wrong input to each of them.

usage: test_anchor_kat.py ANCHOR_KAT
"""
import json
import random
import subprocess
import sys

from kat import ask

PROGRAM = sys.argv[1]
KEMS = ("ML-KEM-768", "ML-KEM-1024", "X25519MLKEM768")
SIGS = ("ML-DSA-65", "ML-DSA-87", "Ed25519")


def one(**request):
    return ask(PROGRAM, [request])[0]


def kem_round_trip():
    for alg in KEMS:
        key = one(op="kem_keygen", alg=alg)
        enc = one(op="kem_encaps", alg=alg, ek=key["ek"])
        assert one(op="kem_decaps", alg=alg, dk=key["dk"], ct=enc["ct"]) == {"ss": enc["ss"]}
        assert one(op="kem_encaps", alg=alg, ek=key["ek"])["ct"] != enc["ct"]
        assert one(op="kem_encaps", alg=alg, ek=key["ek"][2:])["error"] == "malformed"
    assert one(op="kem_keygen", alg=KEMS[2], seed="00" * 64)["error"] == "unsupported"
    seed = bytes(range(64)).hex()
    assert (one(op="kem_keygen", alg=KEMS[0], seed=seed)
            == one(op="kem_keygen", alg=KEMS[0], d=seed[:64], z=seed[64:]))


def sig_round_trip():
    for alg in SIGS:
        key = one(op="sig_keygen", alg=alg)
        for part in ("sk", "seed"):
            for ctx in ({}, {"ctx": ""}, {"ctx": "6162"}, {"ctx": "00ff" * 127}):
                request = {"alg": alg, "msg": "0011"} | ctx
                sig = one(op="sig_sign", **{part: key[part]}, **request)["sig"]
                check = {"op": "sig_verify", "pk": key["pk"], "sig": sig} | request
                assert one(**check) == {"valid": True}
                assert one(**check | {"msg": "0012"}) == {"valid": False}
                assert one(**check | {"sig": sig[2:]}) == {"valid": False}
                if alg != "Ed25519":
                    assert one(**check | {"ctx": "6163"}) == {"valid": False}
        fixed = {"op": "sig_sign", "alg": alg, "seed": key["seed"], "msg": "", "ctx": "61",
                 "deterministic": True}
        assert one(**fixed) == one(**fixed)
    assert one(op="sig_sign", alg=SIGS[0], seed="00" * 32, msg="", ctx="00" * 256)["error"] == "arg"


def others():
    assert one(op="hash", alg="SHA3-256", msg="")["digest"].startswith("a7ffc6f8bf1ed766")
    assert one(op="hmac", alg="SHA-384", key="", msg="")["mac"].startswith("6c1f2ee938fad2e2")
    prk = one(op="hkdf_extract", alg="SHA-384", salt="00", ikm="0102")["prk"]
    assert (one(op="hkdf_expand", alg="SHA-384", prk=prk, info="03", len=77)
            == one(op="hkdf", alg="SHA-384", salt="00", ikm="0102", info="03", len=77))
    assert one(op="hkdf", alg="SHA-256", ikm="00", len=255 * 32 + 1)["error"] == "arg"
    assert one(op="hkdf", alg="SHA-256", ikm="00", len=0) == {"okm": ""}
    assert one(op="argon2id", password=b"password".hex(), salt=b"somesalt".hex(), m=256, t=2, p=1,
               len=32)["key"].startswith("9dfeb910e80bad03")
    sealed = one(op="aead_seal", key="00" * 32, nonce="00" * 12, plaintext="616263")
    opened = {"op": "aead_open", "key": "00" * 32, "nonce": "00" * 12} | sealed
    assert one(**opened) == {"plaintext": "616263"}
    assert one(**opened | {"aad": "00"}) == {"error": "auth"}
    assert one(op="hash", alg="SHA-256", msg="00", id={"any": 1})["id"] == {"any": 1}
    assert one(op="hash", alg="SHA-256", msg="0", id=7) == {"error": "malformed", "id": 7}


GOOD = [
    {"op": "kem_keygen", "alg": KEMS[0], "d": "00" * 32, "z": "00" * 32},
    {"op": "kem_encaps", "alg": KEMS[0], "ek": "00" * 1184, "m": "00" * 32},
    {"op": "kem_decaps", "alg": KEMS[0], "seed": "00" * 64, "ct": "00" * 1088},
    {"op": "sig_keygen", "alg": SIGS[0], "seed": "00" * 32},
    {"op": "sig_sign", "alg": SIGS[2], "seed": "00" * 32, "msg": "00", "ctx": "00"},
    {"op": "sig_verify", "alg": SIGS[0], "pk": "00" * 1952, "msg": "00", "ctx": "00",
     "sig": "00" * 3309},
    {"op": "hash", "alg": "SHA-256", "msg": "00"},
    {"op": "hmac", "alg": "SHA-256", "key": "00", "msg": "00"},
    {"op": "hkdf", "alg": "SHA-256", "salt": "00", "ikm": "00", "info": "00", "len": 1},
    {"op": "hkdf_extract", "alg": "SHA-256", "salt": "00", "ikm": "00"},
    {"op": "hkdf_expand", "alg": "SHA-256", "prk": "00", "info": "00", "len": 1},
    {"op": "aead_seal", "key": "00" * 32, "nonce": "00" * 12, "aad": "00", "plaintext": "00"},
    {"op": "aead_open", "key": "00" * 32, "nonce": "00" * 12, "aad": "00", "ciphertext": "00",
     "tag": "00" * 16},
    {"op": "x25519", "scalar": "00" * 32, "u": "09" + "00" * 31},
    {"op": "argon2id", "password": "00", "salt": "00" * 8, "m": 8, "t": 1, "p": 1, "len": 4},
]
OPTIONAL = {"salt", "info", "ctx", "aad", "d", "z", "seed", "m"}
NONSENSE = (None, 0, -1, 1 << 62, 1.5, True, [], {}, "zz", "0", "00\u0000", "", "\u00e4", "00" * 5000,
            "ML-KEM-512")


def wrong_fields():
    """A field missing, of another type, or of another value: an answer, and an error where the field decides."""
    requests, must_fail = [], []
    for good in GOOD:
        for field in good:
            if field != "op":
                requests.append({k: v for k, v in good.items() if k != field})
                must_fail.append(field not in OPTIONAL)
            for value in NONSENSE:
                requests.append(good | {field: value})
                must_fail.append(field in ("op", "alg") or value is None or isinstance(
                    value, (float, bool, list, dict)) or value in ("zz", "0", "00\u0000", "\u00e4"))
    for request, fails, answer in zip(requests, must_fail, ask(PROGRAM, requests)):
        assert not fails or "error" in answer, (request, answer)


def wrong_lines():
    lines = [b"", b" ", b"\x00", b"\xff\xfe", b"null", b"[]", b"7", b"{", b"{}", b'{"op":}', b'{"op":7}',
             b'{"op":"hash","op":"hash","alg":"SHA-256","msg":""}', b"[" * 100000, b'{"op":"none"}',
             b'{"op":"hash","alg":"SHA-256","msg":""} x', b'"' + b"x" * 10000000, b"\r",
             b'{"op":"hash\\u0000","alg":"SHA-256","msg":""}']
    for line, answer in zip(lines, ask(PROGRAM, lines)):
        assert list(answer) == ["error"], (line[:80], answer)
    # the last line needs no end, and nothing needs an answer to nothing
    done = subprocess.run([PROGRAM], input=b'{"op":"hash","alg":"SHA-256","msg":""}',
                          stdout=subprocess.PIPE, check=True)
    assert done.stdout.startswith(b'{"digest":"e3b0c442')
    assert subprocess.run([PROGRAM], input=b"", stdout=subprocess.PIPE, check=True).stdout == b""


def mutated_lines():
    """Random bytes changed in good requests: always exactly one line back."""
    seed = random.randrange(1 << 32)
    print(f"  seed {seed}")
    rng = random.Random(seed)
    lines = []
    for _ in range(1500):
        line = bytearray(json.dumps(rng.choice([g for g in GOOD if g["op"][:3] != "sig"])).encode())
        for _ in range(rng.randrange(1, 4)):
            line[rng.randrange(len(line))] = rng.choice([c for c in range(256) if c != 10])
        lines.append(bytes(line))
    ask(PROGRAM, lines)


for test in (kem_round_trip, sig_round_trip, others, wrong_fields, wrong_lines, mutated_lines):
    print(test.__name__)
    test()
