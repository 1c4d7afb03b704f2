"""The script in this folder needs tf.keras 2, which the tests do not."""

collect_ignore = ["make_tf_keras_files.py"]
