#!/usr/bin/env python3
"""ACVP and Wycheproof vectors against the wrappers of src/crypto.

usage: test_crypto.py ANCHOR_KAT        data: $VEILNET_DATA/vectors, default ../shared/data beside the checkout

Each check is (name, request, predicate on the answer, what was expected). A file without a single applicable case is a
failure, and so is a number of cases below what the file is known to hold: a runner that skips everything passes
everything.
"""
import gzip
import json
import os
import pathlib
import sys

from kat import ask

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("VEILNET_DATA") or ROOT.parent / "shared" / "data") / "vectors"

KEMS = ("ML-KEM-768", "ML-KEM-1024")
SIGS = ("ML-DSA-65", "ML-DSA-87")


def load(name):
    with gzip.open(DATA / f"{name}.json.gz", "rt", encoding="utf-8") as f:
        return json.load(f)


def acvp(name):
    """(group of the prompt, case of the prompt, case of the expected results)"""
    expected = {t["tcId"]: t for g in load(f"{name}-expectedResults")["testGroups"]
                for t in g["tests"]}
    for group in load(f"{name}-prompt")["testGroups"]:
        for case in group["tests"]:
            yield group, case, expected[case["tcId"]]


def wycheproof(name):
    for group in load(f"wycheproof-{name}_test")["testGroups"]:
        for case in group["tests"]:
            yield group, case


def equals(**fields):
    """Hexadecimal fields, whatever their case."""
    return (lambda a: all(str(a.get(k)).lower() == v.lower() for k, v in fields.items()),
            ", ".join(f"{k}={v[:16]}..." for k, v in fields.items()))


def error(*names):
    return lambda a: a.get("error") in names and len(a) == 1, f"error {' or '.join(names)}"


def valid(truth):
    return lambda a: a.get("valid") is truth, f"valid={truth}"


def invalid_or_error():
    return lambda a: a.get("valid") is False or a.get("error") == "malformed", "invalid"


def mlkem_keygen():
    for group, case, want in acvp("acvp-ML-KEM-keyGen-FIPS203"):
        if group["parameterSet"] in KEMS:
            yield (case["tcId"], {"op": "kem_keygen", "alg": group["parameterSet"], "d": case["d"],
                                  "z": case["z"]}, equals(ek=want["ek"], dk=want["dk"]))


def mlkem_encap_decap():
    for group, case, want in acvp("acvp-ML-KEM-encapDecap-FIPS203"):
        if group["parameterSet"] not in KEMS:
            continue
        alg = {"alg": group["parameterSet"]}
        if group["function"] == "encapsulation":
            yield (case["tcId"], alg | {"op": "kem_encaps", "ek": case["ek"], "m": case["m"]},
                   equals(ct=want["c"], ss=want["k"]))
        else:
            # Changed ciphertexts among them: implicit rejection has one right answer too.
            yield (case["tcId"], alg | {"op": "kem_decaps", "dk": group["dk"], "ct": case["c"]},
                   equals(ss=want["k"]))


def mldsa_keygen():
    for group, case, want in acvp("acvp-ML-DSA-keyGen-FIPS204"):
        if group["parameterSet"] in SIGS:
            yield (case["tcId"], {"op": "sig_keygen", "alg": group["parameterSet"],
                                  "seed": case["seed"]},
                   equals(pk=want["pk"], sk=want["sk"], seed=case["seed"]))


def mldsa_verify():
    for group, case, want in acvp("acvp-ML-DSA-sigVer-FIPS204"):
        if group["parameterSet"] in SIGS:
            # These files are of the time before the interface was named: the internal one.
            yield (case["tcId"], {"op": "sig_verify", "alg": group["parameterSet"],
                                  "pk": group["pk"], "msg": case["message"],
                                  "sig": case["signature"], "internal": True},
                   valid(want["testPassed"]))


def mldsa65_wycheproof():
    for group, case in wycheproof("mldsa_65_verify"):
        request = {"op": "sig_verify", "alg": "ML-DSA-65", "pk": group["publicKey"],
                   "msg": case["msg"], "sig": case["sig"]}
        if "ctx" in case:
            request["ctx"] = case["ctx"]
        yield case["tcId"], request, valid(True) if case["result"] == "valid" else invalid_or_error()


def mlkem768_wycheproof():
    for group, case in wycheproof("mlkem_768"):
        alg = {"alg": group["parameterSet"]}
        decaps = alg | {"op": "kem_decaps", "seed": case["seed"], "ct": case["c"]}
        if case["result"] == "valid":
            yield (case["tcId"], alg | {"op": "kem_keygen", "seed": case["seed"]},
                   equals(ek=case["ek"]))
            yield case["tcId"], decaps, equals(ss=case["K"])
        else:
            yield case["tcId"], decaps, error("malformed", "arg", "crypto")


def aes_gcm():
    for group, case in wycheproof("aes_gcm"):
        if group["keySize"] != 256 or group["tagSize"] != 128:
            continue
        base = {"key": case["key"], "nonce": case["iv"], "aad": case["aad"]}
        opened = base | {"op": "aead_open", "ciphertext": case["ct"], "tag": case["tag"]}
        if group["ivSize"] != 96:
            # RFC 5116 knows 12 bytes only; every other length is refused, valid in GCM or not.
            yield case["tcId"], opened, error("malformed")
        elif case["result"] == "valid":
            yield case["tcId"], opened, equals(plaintext=case["msg"])
            yield (case["tcId"], base | {"op": "aead_seal", "plaintext": case["msg"]},
                   equals(ciphertext=case["ct"], tag=case["tag"]))
        else:
            yield case["tcId"], opened, error("auth")


def hkdf_sha256():
    for _, case in wycheproof("hkdf_sha256"):
        request = {"op": "hkdf", "alg": "SHA-256", "salt": case["salt"], "ikm": case["ikm"],
                   "info": case["info"], "len": case["size"]}
        yield (case["tcId"], request,
               equals(okm=case["okm"]) if case["result"] == "valid" else error("arg"))


def x25519():
    for _, case in wycheproof("x25519"):
        request = {"op": "x25519", "scalar": case["private"], "u": case["public"]}
        # RFC 7748 section 6.1: we are among those who refuse the all-zero result.
        zero = set(case["shared"]) == {"0"}
        yield case["tcId"], request, error("crypto") if zero else equals(ss=case["shared"])


CHECKS = ((mlkem_keygen, 50), (mlkem_encap_decap, 70), (mldsa_keygen, 50), (mldsa_verify, 30),
          (mldsa65_wycheproof, 210), (mlkem768_wycheproof, 340), (aes_gcm, 144), (hkdf_sha256, 86),
          (x25519, 518))


def main():
    if not DATA.is_dir():
        print(f"SKIP: no vectors: {DATA} is not there (set VEILNET_DATA)")
        return 77
    failed = 0
    for check, at_least in CHECKS:
        cases = list(check())
        answers = ask(sys.argv[1], [request for _, request, _ in cases])
        wrong = [(tc, want, answer) for (tc, _, (good, want)), answer in zip(cases, answers)
                 if not good(answer)]
        print(f"{check.__name__}: {len(cases)} cases, {len(wrong)} wrong")
        for tc, want, answer in wrong[:5]:
            print(f"  tcId {tc}: expected {want}, got {str(answer)[:160]}")
        if len(cases) < at_least:
            print(f"  only {len(cases)} cases where {at_least} are known")
        failed += len(wrong) > 0 or len(cases) < at_least
    return 1 if failed else 0


sys.exit(main())
