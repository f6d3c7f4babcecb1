// SPDX-License-Identifier: Apache-2.0
/*
 * sigma_global.c - 'action: global': what a document says for those behind it in the same file
 *
 * The nodes of the global document are copied into each that follows. A mapping that both have is
 * joined, key by key; what a document says itself stays. Nodes are known by their numbers here,
 * since adding one may move all of them.
 */
#include "judge/sigma_inner.h"

/** struct joining - a document that gets what it lacks from another */
struct joining {
	yaml_document_t *to, *from;
	int *copy; /* by number of a node of @from: its copy, 0 when there is none yet */
};

static int copy_node(struct joining *j, int from);

static int copy_scalar(struct joining *j, const yaml_node_t *n)
{
	return yaml_document_add_scalar(j->to, n->tag, n->data.scalar.value,
					(int)n->data.scalar.length, n->data.scalar.style);
}

static void copy_children(struct joining *j, const yaml_node_t *n, int to)
{
	if (n->type == YAML_SEQUENCE_NODE)
		for (yaml_node_item_t *i = n->data.sequence.items.start;
		     i < n->data.sequence.items.top; i++)
			yaml_document_append_sequence_item(j->to, to, copy_node(j, *i));
	else if (n->type == YAML_MAPPING_NODE)
		for (yaml_node_pair_t *p = n->data.mapping.pairs.start;
		     p < n->data.mapping.pairs.top; p++) {
			int key = copy_node(j, p->key);

			yaml_document_append_mapping_pair(j->to, to, key, copy_node(j, p->value));
		}
}

/* Aliases stay what they are, also one to what it stands in: each node is copied once. */
static int copy_node(struct joining *j, int from)
{
	const yaml_node_t *n = yaml_document_get_node(j->from, from);
	yaml_node_t *made;
	int to;

	if (j->copy[from])
		return j->copy[from];
	to = n->type == YAML_SCALAR_NODE ? copy_scalar(j, n)
	     : n->type == YAML_SEQUENCE_NODE
		     ? yaml_document_add_sequence(j->to, n->tag, n->data.sequence.style)
		     : yaml_document_add_mapping(j->to, n->tag, n->data.mapping.style);
	made = yaml_document_get_node(j->to, to);
	if (!made)
		abort();		  /* no memory: as xmalloc() */
	made->start_mark = n->start_mark; /* mistakes are told where they stand */
	j->copy[from] = to;
	copy_children(j, n, to);
	return to;
}

static int find_value(yaml_document_t *doc, int map, const char *key)
{
	const yaml_node_t *n = yaml_document_get_node(doc, map);

	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
	     p++) {
		const char *name = scalar_text(yaml_document_get_node(doc, p->key));

		if (name && !strcmp(name, key))
			return p->value;
	}
	return 0;
}

static bool is_map(yaml_document_t *doc, int n)
{
	return yaml_document_get_node(doc, n)->type == YAML_MAPPING_NODE;
}

static void join(struct joining *j, int to, int from, int depth)
{
	const yaml_node_t *n = yaml_document_get_node(j->from, from);

	if (depth > SIGMA_DEPTH_MAX)
		return;
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
	     p++) {
		const char *key = scalar_text(yaml_document_get_node(j->from, p->key));
		int have = key ? find_value(j->to, to, key) : 0;

		if (!key || !strcmp(key, "action"))
			continue;
		if (have && is_map(j->to, have) && is_map(j->from, p->value)) {
			join(j, have, p->value, depth + 1);
		} else if (!have) {
			int name = copy_node(j, p->key);

			yaml_document_append_mapping_pair(j->to, to, name, copy_node(j, p->value));
		}
	}
}

void global_join(yaml_document_t *to, yaml_document_t *from)
{
	size_t n = (size_t)(from->nodes.top - from->nodes.start);
	cleanup_free int *copy = xcalloc(n + 1, sizeof(*copy));
	struct joining j = { to, from, copy };

	join(&j, 1, 1, 0); /* a document's first node is its root */
}
