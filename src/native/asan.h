/**
 * Under AddressSanitizer a block is accessible for exactly the bytes asked for, so that reading or writing past a tensor
 * is caught although blocks are rounded up, kept, and cut from one region.
 */
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define REASVQA_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define REASVQA_ASAN 1
#endif
#ifdef REASVQA_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif
