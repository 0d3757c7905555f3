#!/usr/bin/env bash
# Brings the servers that the tests run against: scripts/services.sh [kafka ...] (none named: all). What is there stays.
# What cannot be had is said in one line, and in .services/NAME.missing, by which the tests know that they leave it out.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=.services
mkdir -p "$cache"

left_out() { # NAME WHY
    echo "left out: tests over $1 ($2)"
    echo "$2" >"$cache/$1.missing"
}

install() { # PACKAGE...: Debian's packages that are not there yet
    local missing=() package
    for package in "$@"; do
        dpkg-query --show --showformat='${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing+=("$package")
    done
    if [ "${#missing[@]}" -eq 0 ]; then return; fi
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then return 1; fi
    echo "installing ${missing[*]} ..."
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >"$cache/apt.log" 2>&1 ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >"$cache/apt.log" 2>&1
}

kafka() { # the jars of Apache Kafka, from Maven Central
    local pom=tests/services/pom.xml jars=$cache/kafka
    if ! command -v java >/dev/null && ! install default-jre-headless; then
        left_out kafka "there is no Java, and apt-get cannot bring it"
        return
    fi
    if ! cmp -s "$pom" "$jars/pom.xml"; then
        if ! command -v mvn >/dev/null && ! install maven; then
            left_out kafka "there is no Maven, and apt-get cannot bring it"
            return
        fi
        echo "fetching Apache Kafka ..."
        rm -rf "$jars"
        if ! mvn -q -B -f "$pom" dependency:copy-dependencies -DincludeScope=runtime \
            -DoutputDirectory="$PWD/$jars" >"$cache/maven.log" 2>&1; then
            left_out kafka "Maven Central does not give the jars: $cache/maven.log"
            return
        fi
        cp "$pom" "$jars/pom.xml"
    fi
    rm -f "$cache/kafka.missing"
}

mariadb() { # Debian's server and client
    if ! PATH=$PATH:/usr/sbin command -v mariadbd >/dev/null && ! install mariadb-server; then
        left_out mariadb "there is no mariadbd, and apt-get cannot bring it"
        return
    fi
    touch "$cache/mariadb"
    rm -f "$cache/mariadb.missing"
}

prometheus() { # promtool, of Debian's package
    if ! command -v promtool >/dev/null && ! install prometheus; then
        left_out prometheus "there is no promtool, and apt-get cannot bring it"
        return
    fi
    touch "$cache/prometheus"
    rm -f "$cache/prometheus.missing"
}

services=("$@")
if [ "${#services[@]}" -eq 0 ]; then services=(kafka mariadb prometheus); fi
for service in "${services[@]}"; do "$service"; done
