"""A small model on Ray Serve: is a review good or bad? Naive Bayes over words, fitted when a replica starts.

Run it on a machine of the cluster, in its Python environment: python sentiment_model.py
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter

from ray import serve

GOOD = ("good", "great", "friendly", "quick", "tasty", "clean", "love", "perfect", "cheap", "fresh")
BAD = ("bad", "awful", "rude", "slow", "cold", "dirty", "hate", "broken", "expensive", "stale")
NEUTRAL = ("the", "food", "was", "service", "room", "and", "it", "very", "place", "we", "our", "order")


def make_reviews(count: int, seed: int) -> list[tuple[str, bool]]:
    """Reviews with their truth. One word in ten that says something says the opposite, as people do."""
    chance = random.Random(seed)  # noqa: S311
    reviews = []
    for number in range(count):
        is_good = number % 2 == 0
        words = [chance.choice(NEUTRAL) for _ in range(chance.randint(4, 8))]
        for _ in range(chance.randint(2, 4)):
            agrees = chance.random() >= 0.1
            words.append(chance.choice(GOOD if is_good == agrees else BAD))
        chance.shuffle(words)
        reviews.append((" ".join(words), is_good))
    return reviews


class NaiveBayes:
    """Multinomial, with one added to every count (Laplace)."""

    def __init__(self, reviews: list[tuple[str, bool]]) -> None:
        self._counts = {True: Counter[str](), False: Counter[str]()}
        for text, is_good in reviews:
            self._counts[is_good].update(words_of(text))
        self._vocabulary = len(set(self._counts[True]) | set(self._counts[False]))
        self._totals = {label: sum(counts.values()) for label, counts in self._counts.items()}

    def probability_good(self, text: str) -> float:
        odds = sum(self._log(word, True) - self._log(word, False) for word in words_of(text))
        return 1 / (1 + math.exp(-odds))

    def _log(self, word: str, label: bool) -> float:
        return math.log((self._counts[label][word] + 1) / (self._totals[label] + self._vocabulary))


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


class Model:
    def __init__(self) -> None:
        self._model = NaiveBayes(make_reviews(2_000, seed=7))
        held_out = make_reviews(500, seed=8)
        right = sum((self._model.probability_good(text) > 0.5) == is_good for text, is_good in held_out)
        self._accuracy = right / len(held_out)

    async def predict(self, text: str) -> dict[str, float | str]:
        probability = self._model.probability_good(text)
        return {"label": "good" if probability > 0.5 else "bad", "probability": max(probability, 1 - probability)}

    async def describe(self) -> dict[str, float]:
        return {"accuracy": self._accuracy}


deployed = serve.deployment(name="Model", max_ongoing_requests=100, ray_actor_options={"num_cpus": 0.1})(Model)


if __name__ == "__main__":
    # No route: whoever may call it, calls the deployment itself.
    serve.run(deployed.bind(), name="sentiment", route_prefix=None)
