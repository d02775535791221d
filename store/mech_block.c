/* The flow of text through a cipher in blocks, with or without padding, and through a stream cipher. */
#include "mech_block.h"

#include <limits.h>
#include <openssl/err.h>

#include "why.h"

static CK_RV
len_range(const struct op *op)
{
	return op->encrypt ? CKR_DATA_LEN_RANGE : CKR_ENCRYPTED_DATA_LEN_RANGE;
}

uint64_t
block_total(const struct op *op, uint64_t fed, bool final)
{
	if (op->input == INPUT_GATHER)
		return final ? fed : 0;
	if (op->pads && op->encrypt)
		return (fed / op->block + final) * op->block;
	if (op->pads) /* the last block is held back until it is known to be the last */
		return final ? fed : fed == 0 ? 0 : (fed - 1) / op->block * op->block;
	return op->whole_blocks ? fed / op->block * op->block : fed;
}

CK_RV
block_update(struct op *op, const uint8_t *in, size_t n, uint8_t *out, size_t *out_len)
{
	int len;

	*out_len = 0;
	if (n > INT_MAX - op->block)
		return len_range(op);
	if (op->blocks != 0 && (op->fed + n + op->block - 1) / op->block > op->blocks)
		return why(len_range(op), "the counter would come round");
	if (EVP_CipherUpdate(op->cctx, out, &len, in, (int)n) != 1)
		return mech_failed(CKR_FUNCTION_FAILED, "cipher");
	*out_len = (size_t)len;
	return CKR_OK;
}

CK_RV
block_fits(const struct op *op, uint64_t fed)
{
	bool unpads = op->pads && !op->encrypt;

	if ((op->whole_blocks || unpads) && (fed % op->block != 0 || (unpads && fed == 0)))
		return why(len_range(op), "%llu bytes are not whole blocks", (unsigned long long)fed);
	return CKR_OK;
}

CK_RV
block_final(struct op *op, uint8_t *out, size_t *out_len)
{
	bool unpads = op->pads && !op->encrypt;
	int len = 0;

	*out_len = 0;
	if (!op->pads)
		return CKR_OK;
	if (EVP_CipherFinal_ex(op->cctx, out, &len) != 1)
		return mech_failed(unpads ? CKR_ENCRYPTED_DATA_INVALID : CKR_FUNCTION_FAILED, "padding");
	*out_len = (size_t)len;
	return CKR_OK;
}
