"""The installed package: nodes, models, launch files and settings; nothing of it needs torch."""

from glob import glob

from setuptools import find_packages, setup

NAME = 'edge_vision'
SHARE = 'share/' + NAME

setup(
    name=NAME,
    version='0.1.0',
    description='Visual assistance for small robots with ROS 2',
    license='Apache-2.0',
    maintainer='edge_vision maintainers',
    maintainer_email='maintainers@example.org',
    packages=find_packages(include=[NAME, NAME + '.*']),
    package_data={NAME: ['models/*.onnx', 'models/*.md', 'web/static/*', 'phrases/*.yaml']},
    data_files=[
        ('share/ament_index/resource_index/packages', ['resource/' + NAME]),
        (SHARE, ['package.xml']),
        (SHARE + '/config', glob('config/*')),
        (SHARE + '/launch', glob('launch/*.py')),
    ],
    zip_safe=False,
    python_requires='>=3.8',
    install_requires=['setuptools'],
    extras_require={
        'cpu': ['onnxruntime'],
        'gpu': ['onnxruntime-gpu'],
        'speech': ['gTTS', 'miniaudio'],
        'training': ['torch', 'torchvision', 'onnx', 'pycocotools', 'scikit-learn',
                     'torch-pruning', 'matplotlib', 'tqdm'],
    },
    entry_points={
        'console_scripts': [
            'camera_node = edge_vision.programs:camera_node',
            'detector_node = edge_vision.programs:detector_node',
            'gesture_node = edge_vision.programs:gesture_node',
            'overlay_node = edge_vision.programs:overlay_node',
            'speech_node = edge_vision.programs:speech_node',
            'nano = edge_vision.programs:nano',
        ],
    },
)
