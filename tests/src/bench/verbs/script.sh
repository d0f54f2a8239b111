#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a server's network is set up with when there is no hhnet: ip, with systemd-networkd as
# the DHCP client, and pauses where something has to settle. Usage as hhnet's.
# Each step's end goes to stderr, with the time it took in milliseconds.
set -e

last=${EPOCHREALTIME/./}
step() {
    local now=${EPOCHREALTIME/./}
    echo "step $1 $(((now - last) / 1000)) ms" >&2
    last=$now
}

# Prints the address that networkd leases for an interface.
answer() {
    local address=
    for _ in {1..300}; do
        address=$(ip a s "$1" | awk '/inet / {print $2}')
        [ -n "$address" ] && break
        sleep 1
    done
    step lease
    sleep 1
    step pause
    [ -n "$address" ] || { echo "Failed to get IP address for $1" >&2; exit 1; }
    echo "$address"
}

case $1 in
cleanup)
    for kind in bond vlan; do
        for link in $(ip -o link show type "$kind" | awk -F '[:@ ]+' '{print $2}'); do
            [ "$kind" = bond ] || sudo ip l s "$link" down
            sudo ip l del "$link"
        done
    done
    for address in $(ip -o addr show dev lo scope global | awk '{print $4}'); do
        sudo ip a del "$address" dev lo
    done
    step links
    sleep 1
    step pause
    sudo systemctl restart systemd-networkd
    step networkd
    ;;
vlan)
    sudo ip l s "$3" up
    sudo ip l a link "$3" name "$3.$2" type vlan id "$2"
    sudo ip l s "$3.$2" up
    step links
    answer "$3.$2"
    ;;
bond)
    vlan=$2
    sudo ip l a bond0 type bond miimon 100 mode 802.3ad xmit_hash_policy "$3"
    for port in "${@:4}"; do
        sudo ip l s "$port" down
        sudo ip l s "$port" master bond0
    done
    sudo ip l s bond0 up
    step links
    sleep 1
    step pause
    sudo ip l s bond0 up
    sudo ip l a link bond0 name "bond0.$vlan" type vlan id "$vlan"
    sudo ip l s "bond0.$vlan" up
    step vlan
    answer "bond0.$vlan"
    ;;
esac
