"""Questions among what people type: found, folded, ranked (docs/questions.md).

Pure cores; the data they work with is read by `signaling/asking/shipped.py`.
"""

from signaling.asking.cluster import Fingerprint, Fingerprints, Fold, QuestionIndex
from signaling.asking.detection import Detection, DetectionContext, Detector
from signaling.asking.lexicon import Intent, Lexicon, LexiconError, parse_lexicon
from signaling.asking.rank import Candidate, Ranked, Reason, rank
from signaling.asking.terms import RoomTerms

__all__ = [
    "Candidate",
    "Detection",
    "DetectionContext",
    "Detector",
    "Fingerprint",
    "Fingerprints",
    "Fold",
    "Intent",
    "Lexicon",
    "LexiconError",
    "QuestionIndex",
    "Ranked",
    "Reason",
    "RoomTerms",
    "parse_lexicon",
    "rank",
]
