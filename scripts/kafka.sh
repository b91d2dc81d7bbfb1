#!/usr/bin/env bash
# Fetches the Apache Kafka that the tests run, once, from Maven Central:
#   libs/       its jars
#   formatted/  a data folder as `kafka.tools.StorageTool format` leaves it; every broker starts from a
#               copy, which saves the second or two of a JVM per broker
# into $APPMI_KAFKA_HOME, by default a folder of the user's cache that all clones share.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=$(sed -n 's:.*<kafka\.version>\(.*\)</kafka\.version>.*:\1:p' tests/kafka/pom.xml)
home=${APPMI_KAFKA_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/appmi/kafka-$version}
if [[ -e $home/formatted/meta.properties ]]; then
  exit 0
fi

echo "fetching Apache Kafka $version into $home"
mkdir -p "$(dirname "$home")"
fresh=$(mktemp -d "$home.XXXXXX")
trap 'rm -rf "$fresh"' EXIT

# What the tools print matters only if they fail.
quietly() { "$@" > "$fresh/log" 2>&1 || { cat "$fresh/log" >&2; exit 1; }; }

quietly mvn --batch-mode --no-transfer-progress --file tests/kafka/pom.xml \
  dependency:copy-dependencies -DoutputDirectory="$fresh/libs"

# The ports matter only to the check of the configuration, none is opened and none is recorded.
{
  cat tests/kafka/server.properties
  echo "log.dirs=$fresh/formatted"
  echo "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"
  echo "controller.quorum.voters=1@127.0.0.1:9093"
} > "$fresh/format.properties"
java=java
if [[ -n ${JAVA_HOME:-} ]]; then
  java=$JAVA_HOME/bin/java
fi
quietly "$java" -cp "$fresh/libs/*" \
  kafka.tools.StorageTool format --config "$fresh/format.properties" \
  --cluster-id AppmiTestCluster000000

# Whole or not at all: who comes second finds the first one's folder and drops his own.
chmod 755 "$fresh"
rm "$fresh/log" "$fresh/format.properties"
mv --no-target-directory "$fresh" "$home" 2> /dev/null ||
  [[ -e $home/formatted/meta.properties ]] ||
  { echo "kafka: $home is in the way: remove it" >&2; exit 1; }
