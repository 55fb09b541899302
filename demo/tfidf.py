"""What a file is about: its words weighed by how rare they are elsewhere. The counts come from the C plugin's `top`."""

import math

import wayang


@wayang.json
def keywords(value, ctx):
    counts, elsewhere, documents = value["counts"], value["documents_with"], value["documents"]
    total = sum(counts.values())
    scores = {word: count / total * math.log(documents / elsewhere[word]) for word, count in counts.items()}
    ctx.progress(100, f"{len(scores)} words")
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))
