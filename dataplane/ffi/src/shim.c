/* SPDX-License-Identifier: Apache-2.0 */

#include "shim.h"

#include <stdio.h>

#include <rte_log.h>

/* lib.rs declares struct rte_mbuf with these offsets. */
#define AT(field, offset) _Static_assert(offsetof(struct rte_mbuf, field) == (offset), #field)
AT(buf_addr, 0);
AT(data_off, 16);
AT(refcnt, 18);
AT(nb_segs, 20);
AT(port, 22);
AT(ol_flags, 24);
AT(packet_type, 32);
AT(pkt_len, 36);
AT(data_len, 40);
AT(vlan_tci, 42);
AT(hash, 44);
AT(vlan_tci_outer, 52);
AT(buf_len, 54);
AT(pool, 56);
AT(next, 64);
AT(tx_offload, 72);
AT(shinfo, 80);
AT(priv_size, 88);
_Static_assert(sizeof(struct rte_mbuf) == 128, "size");

int _rte_errno(void) { return rte_errno; }

struct rte_mbuf *_rte_pktmbuf_alloc(struct rte_mempool *pool) { return rte_pktmbuf_alloc(pool); }

void _rte_pktmbuf_free(struct rte_mbuf *mbuf) { rte_pktmbuf_free(mbuf); }

int _rte_pktmbuf_alloc_bulk(struct rte_mempool *pool, struct rte_mbuf **mbufs, unsigned int count)
{
	return rte_pktmbuf_alloc_bulk(pool, mbufs, count);
}

void _rte_mempool_put_bulk(struct rte_mempool *pool, void *const *objects, unsigned int count)
{
	rte_mempool_put_bulk(pool, objects, count);
}

uint16_t _rte_eth_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_rx_burst(port, queue, mbufs, count);
}

uint16_t _rte_eth_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, mbufs, count);
}

int shim_eal_init(int argc, char **argv) { return rte_eal_init(argc, argv); }

uint16_t shim_eth_tx_prepare(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_tx_prepare(port, queue, mbufs, count);
}

void shim_pktmbuf_share(struct rte_mbuf *mbuf)
{
	for (; mbuf != NULL; mbuf = mbuf->next)
		rte_mbuf_refcnt_update(mbuf, 1);
}

uint16_t shim_pktmbuf_refcnt(const struct rte_mbuf *mbuf) { return rte_mbuf_refcnt_read(mbuf); }

int shim_pktmbuf_linearize(struct rte_mbuf *mbuf) { return rte_pktmbuf_linearize(mbuf); }

int shim_pktmbuf_check(const struct rte_mbuf *mbuf, const char **reason)
{
	return rte_mbuf_check(mbuf, 1, reason);
}

uint32_t shim_mempool_object_size(uint32_t element)
{
	struct rte_mempool_objsz size;

	return rte_mempool_calc_obj_size(element, 0, &size);
}

uint32_t shim_lcore_id(void) { return rte_lcore_id(); }

int shim_eth_link(uint16_t port, uint32_t *speed, int *up, int *full_duplex)
{
	struct rte_eth_link link;
	int result = rte_eth_link_get_nowait(port, &link);

	if (result != 0)
		return result;
	*speed = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	*up = link.link_status == RTE_ETH_LINK_UP;
	*full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
	return 0;
}

static void (*log_sink)(const char *, size_t);
static FILE *log_stream;

static ssize_t log_write(void *cookie, const char *text, size_t length)
{
	(void)cookie;
	if (log_sink != NULL)
		log_sink(text, length);
	return length;
}

int shim_log_to(void (*sink)(const char *text, size_t length))
{
	if (sink == NULL)
		return rte_openlog_stream(NULL);
	if (log_stream == NULL) {
		cookie_io_functions_t functions = { .write = log_write };

		log_stream = fopencookie(NULL, "w", functions);
		if (log_stream == NULL)
			return -1;
		setvbuf(log_stream, NULL, _IOLBF, BUFSIZ);
	}
	log_sink = sink;
	return rte_openlog_stream(log_stream);
}
