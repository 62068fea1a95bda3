"""
Boxes put into the output of each detector family: the inverse of what decoders.py does.

Each encoder takes rows of (x0, y0, x1, y1, score, class) in input pixels and gives the output
arrays of a model with `classes` classes on an input of size_wh. All other cells say nothing.
"""

import numpy as np

STRIDES = (8, 16, 32)
NOTHING = -9.0  # for numbers that are read only where a score is high


def cell_of(box, size_wh, anchors=1):
    """Index, column, row and stride of a cell whose middle lies near the middle of the box."""
    centre = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    first = 0
    for stride in STRIDES:
        columns, rows = size_wh[0] // stride, size_wh[1] // stride
        column, row = int(centre[0] // stride), int(centre[1] // stride)
        if max(box[2] - box[0], box[3] - box[1]) < 8 * stride or stride == STRIDES[-1]:
            return first + anchors * (row * columns + column), column, row, stride
        first += anchors * columns * rows
    raise AssertionError('no cell')


def cells(size_wh):
    """Count the cells of all levels."""
    return sum((size_wh[0] // s) * (size_wh[1] // s) for s in STRIDES)


def centre_size(box):
    """Centre x, y and width, height of x0, y0, x1, y1."""
    return np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2,
                     box[2] - box[0], box[3] - box[1]])


def yolox(boxes, size_wh, classes):
    """Offsets in cells and logarithms of sizes in strides; score = objectness x class."""
    output = np.zeros((1, cells(size_wh), 5 + classes), np.float32)
    for box in boxes:
        index, column, row, stride = cell_of(box, size_wh)
        x, y, w, h = centre_size(box)
        objectness = np.sqrt(box[4])
        output[0, index, :5] = (x / stride - column, y / stride - row, np.log(w / stride),
                                np.log(h / stride), objectness)
        output[0, index, 5 + int(box[5])] = box[4] / objectness
    return [output]


def yolov5(boxes, size_wh, classes):
    """Three anchors a cell, centre and size in pixels; score = objectness x class."""
    output = np.zeros((1, 3 * cells(size_wh), 5 + classes), np.float32)
    for box in boxes:
        index = cell_of(box, size_wh, anchors=3)[0]
        output[0, index, :5] = (*centre_size(box), 0.99)
        output[0, index, 5 + int(box[5])] = box[4] / 0.99
    return [output]


def yolov8(boxes, size_wh, classes):
    """Columns of centre, size and class scores."""
    output = np.zeros((1, 4 + classes, cells(size_wh)), np.float32)
    for box in boxes:
        index = cell_of(box, size_wh)[0]
        output[0, :4, index] = centre_size(box)
        output[0, 4 + int(box[5]), index] = box[4]
    return [output]


def end_to_end(boxes, size_wh, classes):
    """[1, 20, 6], the rest filled with zeros, as YOLOv10 pads."""
    output = np.zeros((1, 20, 6), np.float32)
    output[0, :len(boxes)] = np.array(boxes, np.float32).reshape(-1, 6)
    return [output]


def end_to_end_rows(boxes, size_wh, classes):
    """[N, 6], as many rows as boxes."""
    return [np.array(boxes, np.float32).reshape(-1, 6)]


def torchvision(boxes, size_wh, classes):
    """Boxes, labels, scores."""
    rows = np.array(boxes, np.float32).reshape(-1, 6)
    return [rows[:, :4], rows[:, 5].astype(np.int64), rows[:, 4]]


def fastestdet(boxes, size_wh, classes):
    """Planes: objectness, atanh of the offset in cells, logit of the size, classes."""
    columns, rows = size_wh[0] // 16, size_wh[1] // 16
    output = np.zeros((1, 5 + classes, rows, columns), np.float32)
    output[0, 1:5] = NOTHING
    for box in boxes:
        x, y, w, h = centre_size(box) / np.array([*size_wh, *size_wh])
        column, row = int(x * columns), int(y * rows)
        size = np.array([w, h])
        output[0, 0, row, column] = box[4]
        output[0, 1:5, row, column] = (np.arctanh(x * columns - column),
                                       np.arctanh(y * rows - row), *np.log(size / (1 - size)))
        output[0, 5 + int(box[5]), row, column] = box[4]
    return [output]


# name of the encoding: (family, encoder, classes that the test models have)
ENCODINGS = {
    'yolox': ('yolox', yolox, 80), 'yolox with one class': ('yolox', yolox, 1),
    'yolov5': ('yolov5', yolov5, 80), 'yolov5 with one class': ('yolov5', yolov5, 1),
    'yolov8': ('yolov8', yolov8, 80), 'yolov8 with one class': ('yolov8', yolov8, 1),
    'yolov8 with two classes': ('yolov8', yolov8, 2),
    'end to end, 1 x N x 6': ('end_to_end', end_to_end, 80),
    'end to end, N x 6': ('end_to_end', end_to_end_rows, 80),
    'torchvision': ('torchvision', torchvision, 91),
    'fastestdet': ('fastestdet', fastestdet, 80),
    'fastestdet with one class': ('fastestdet', fastestdet, 1),
}
