"""Quality of service, one profile for each purpose (REP-2003)."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

# images: only the newest matters, and a lost one is not worth sending again
SENSOR = QoSProfile(reliability=ReliabilityPolicy.BEST_EFFORT, history=HistoryPolicy.KEEP_LAST,
                    depth=1, durability=DurabilityPolicy.VOLATILE)
# detections, gestures: small; none should be lost, old ones are of no use
RESULT = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST,
                    depth=5, durability=DurabilityPolicy.VOLATILE)
# events, spoken lines, diagnostics: each one counts
EVENT = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST,
                   depth=10, durability=DurabilityPolicy.VOLATILE)
# what a late subscriber must still learn: the class names
LATCHED = QoSProfile(reliability=ReliabilityPolicy.RELIABLE, history=HistoryPolicy.KEEP_LAST,
                     depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
