"""The three steps, and the mistakes that other implementations of this paper made in them."""

import copy

import pytest
import torch
from torch.nn import functional

from engine.training.distributed import World
from engine.training.losses import SMALL_ERROR, blended
from engine.training.phases import Phase
from engine.training.steps import Steps
from kernels.paste_crop import cut_patches, paste_crop
from kernels.unit_range import to_unit_range

EPS = dict(rtol=1e-5, atol=1e-6)


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(before: dict[str, torch.Tensor], network: torch.nn.Module) -> bool:
    return all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


def gradients(network: torch.nn.Module) -> list[torch.Tensor | None]:
    return [parameter.grad for parameter in network.parameters()]


def all_finite(network: torch.nn.Module) -> bool:
    return all(gradient is not None and gradient.isfinite().all() for gradient in gradients(network))


@pytest.mark.parametrize("amp", [False, True])
def test_each_phase_trains_what_it_should_and_nothing_else(make_steps, batch, amp):
    steps = make_steps(amp=amp)
    completion, discriminator = steps.completion.network, steps.discriminator.network
    before_c, before_d = weights(completion), weights(discriminator)

    steps.run(Phase.COMPLETION, batch)
    assert all_finite(completion)
    assert gradients(discriminator) == [None] * len(gradients(discriminator))
    assert same(before_d, discriminator)
    assert not same(before_c, completion)

    before_c = weights(completion)
    completion.zero_grad()
    steps.run(Phase.DISCRIMINATOR, batch)
    assert all_finite(discriminator)
    assert gradients(completion) == [None] * len(gradients(completion))
    assert same(before_c, completion)  # batch norm statistics included
    assert completion.training
    assert not same(before_d, discriminator)

    before_d = weights(discriminator)
    steps.run(Phase.JOINT, batch)
    assert all_finite(completion)
    assert all_finite(discriminator)
    assert not same(before_c, completion)
    assert not same(before_d, discriminator)


def test_the_divisor_is_agreed_on_where_completions_are_compared_and_not_in_phase_2(make_steps, batch, monkeypatch):
    """It is a mean over processes, which all of them wait for."""
    steps, agreed = make_steps(), []
    monkeypatch.setattr(World, "mean", lambda world, value: agreed.append(value) or value)
    for phase, times in ((Phase.COMPLETION, 1), (Phase.DISCRIMINATOR, 0), (Phase.JOINT, 1)):
        agreed.clear()
        steps.run(phase, batch)
        assert len(agreed) == times


def test_the_composite_is_made_once_for_both_networks(make_steps, batch, monkeypatch):
    made = []
    monkeypatch.setattr("engine.training.steps.paste_crop", lambda *x: made.append(x) or paste_crop(*x))
    for phase, times in ((Phase.COMPLETION, 0), (Phase.DISCRIMINATOR, 1), (Phase.JOINT, 1)):
        made.clear()
        make_steps().run(phase, batch)
        assert len(made) == times


def test_the_generators_step_leaves_no_gradient_and_no_statistics_in_the_discriminator(make_steps, batch):
    """D after a joint step is D after its own step alone, and so is the gradient it was left with."""
    together, alone = make_steps(), make_steps()
    together.run(Phase.JOINT, batch)
    with torch.no_grad():
        _, composite = alone.complete(batch)  # C in train mode, as in the joint step
    alone.train_discriminator([composite], [batch], weight=1.0)
    assert same(weights(together.discriminator.network), alone.discriminator.network)
    for a, b in zip(*(gradients(steps.discriminator.network) for steps in (together, alone)), strict=True):
        assert torch.equal(a, b)
    together.run(Phase.DISCRIMINATOR, batch)
    fresh = copy.deepcopy(alone)
    fresh.completion.network.load_state_dict(together.completion.network.state_dict())
    fresh.run(Phase.DISCRIMINATOR, batch)
    assert same(weights(together.discriminator.network), fresh.discriminator.network)


def test_the_discriminator_sees_composites_and_patches_around_the_holes(make_steps, batch, monkeypatch):
    steps = make_steps()
    seen = []
    original = steps.discriminator.forward
    monkeypatch.setattr(steps.discriminator, "forward", lambda *x: seen.append(x) or original(*x))
    steps.run(Phase.DISCRIMINATOR, batch)
    (real_patches, real), (patches, completed) = seen
    image, mask = to_unit_range(batch.image_N3SS), batch.mask_N1SS.expand(-1, 3, -1, -1).bool()
    assert torch.equal(real, image)
    assert torch.equal(completed[~mask], image[~mask])
    assert not torch.equal(completed[mask], image[mask])
    assert torch.equal(real_patches, cut_patches(image, batch.real_centres_N2, 16))
    assert torch.equal(patches, cut_patches(completed, batch.centres_N2, 16))
    assert all((patches[n] != cut_patches(image, batch.centres_N2, 16)[n]).any() for n in range(8))


@pytest.mark.parametrize("amp", [False, True])
def test_the_frozen_discriminator_judges_alike_and_stays_as_it_is(make_steps, amp):
    """The same bits, for the images and in their gradients, as in training."""
    learner = make_steps(amp=amp).discriminator
    trained = copy.deepcopy(learner)
    before, judged = weights(learner.network), []
    random = torch.Generator().manual_seed(2)
    images = [torch.rand(8, 3, side, side, generator=random).requires_grad_() for side in (16, 32)]
    for forward in (trained.forward, learner.forward_frozen):
        logits = forward(*images)
        judged.append((logits, *torch.autograd.grad(logits.sum(), images, retain_graph=True)))
    assert all(map(torch.equal, *judged))
    assert same(before, learner.network)
    judged[1][0].sum().backward()
    assert gradients(learner.network) == [None] * len(gradients(learner.network))
    learner.forward(*images).sum().backward()  # in training again
    assert all_finite(learner.network)
    assert same(weights(trained.network), learner.network)


def test_the_frozen_discriminator_copies_none_of_its_statistics(make_steps, monkeypatch):
    learner = make_steps().discriminator
    monkeypatch.setattr(torch.Tensor, "clone", lambda *_, **__: pytest.fail("a tensor was copied"))
    learner.forward_frozen(torch.rand(8, 3, 16, 16), torch.rand(8, 3, 32, 32))


def test_alpha_weighs_the_generators_term_alone(make_steps, batch):
    """A larger alpha changes C's step and leaves D's as it was, unless that is asked for."""
    small, large, both = make_steps(), make_steps(alpha=1.0), make_steps(alpha=0.5, alpha_on_discriminator=True)
    for steps in (small, large, both):
        steps.run(Phase.JOINT, batch)
    d_small, d_large, d_both = (gradients(steps.discriminator.network) for steps in (small, large, both))
    assert all(torch.equal(a, b) for a, b in zip(d_small, d_large, strict=True))
    assert all(torch.allclose(a, b * 2, **EPS) for a, b in zip(d_small, d_both, strict=True))
    c_small, c_large = (gradients(steps.completion.network) for steps in (small, large))
    assert not all(torch.allclose(a, b) for a, b in zip(c_small, c_large, strict=True))


def test_the_joint_loss_is_the_papers_equation(make_steps, batch):
    """C's gradient equals that of a plain transcription of equation 4."""
    steps = make_steps(alpha=0.1)
    plain = copy.deepcopy(steps)
    losses = steps.run(Phase.JOINT, batch)

    completion, judge = plain.completion.network, plain.discriminator.network
    judge.load_state_dict(steps.discriminator.network.state_dict())  # D was trained first
    image, mask = batch.image_N3SS / 255, batch.mask_N1SS.float()
    mean = torch.tensor([0.4, 0.5, 0.6]).view(1, 3, 1, 1)
    generated = completion(torch.cat((image * (1 - mask) + mean * mask, mask), dim=1))
    completed = generated * mask + image * (1 - mask)
    patches = cut_patches(completed, batch.centres_N2, 16)
    mse = ((generated - image) * mask).square().sum() / (3 * mask.sum())
    adversarial = -judge(patches, completed).sigmoid().log().mean()
    (mse + 0.1 * adversarial).backward()
    torch.testing.assert_close(losses["mse"], mse.detach())
    torch.testing.assert_close(losses["adversarial"], adversarial.detach())
    for a, b in zip(gradients(steps.completion.network), gradients(completion), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("reduction", ["hole_mean", "all_mean", "sum"])
def test_reductions(make_steps, batch, reduction):
    steps = make_steps(reduction=reduction)
    generated = steps.generate(batch).detach()
    squares = ((generated - batch.image_N3SS / 255) * batch.mask_N1SS).square().sum()
    divisor = {"hole_mean": 3 * batch.mask_N1SS.sum(), "all_mean": batch.image_N3SS.numel(), "sum": 1}[reduction]
    torch.testing.assert_close(make_steps(reduction=reduction).run(Phase.COMPLETION, batch)["mse"], squares / divisor)


def test_the_mean_over_photos_of_the_logarithm_of_their_errors(make_steps, batch):
    generated = make_steps().generate(batch).detach()
    squares = ((generated - batch.image_N3SS / 255) * batch.mask_N1SS).square()
    errors = [square.sum() / (3 * mask.sum()) for square, mask in zip(squares, batch.mask_N1SS, strict=True)]
    expected = torch.stack([torch.log(error + SMALL_ERROR) for error in errors]).mean()
    for chunks in (1, 2):
        steps = in_eval_mode(make_steps(reduction="log_mean", accumulate=chunks))
        steps.generate = lambda chunk, ids=batch.ids: generated[[ids.index(i) for i in chunk.ids]].requires_grad_()
        torch.testing.assert_close(steps.run(Phase.COMPLETION, batch)["log_mse"], expected)


def test_with_a_blended_loss_all_losses_see_blended_completions(make_steps, batch, monkeypatch):
    completed = blended(make_steps().generate(batch).detach(), batch.image_N3SS, batch.mask_N1SS)
    squares = ((completed - batch.image_N3SS / 255) * batch.mask_N1SS).square().sum()
    steps = make_steps(blended_loss=True)
    seen = []
    original = steps.discriminator.forward
    monkeypatch.setattr(steps.discriminator, "forward", lambda *x: seen.append(x) or original(*x))
    losses = steps.run(Phase.JOINT, batch)
    torch.testing.assert_close(losses["mse"], squares / (3 * batch.mask_N1SS.sum()))
    torch.testing.assert_close(seen[1][1], completed)
    assert all_finite(steps.completion.network)


def in_eval_mode(steps: Steps) -> Steps:
    """Batch norm by its statistics, so that photos do not depend on the others of their chunk."""
    steps.completion.network.eval()
    steps.discriminator.network.eval()
    return steps


@pytest.mark.parametrize("phase", [Phase.COMPLETION, Phase.JOINT])
def test_accumulated_gradients_are_those_of_the_whole_batch(make_steps, batch, phase):
    whole, parts = (in_eval_mode(make_steps(accumulate=n)) for n in (1, 4))
    losses, losses_of_parts = (steps.run(phase, batch) for steps in (whole, parts))
    assert losses.keys() == losses_of_parts.keys()
    for name in losses:
        torch.testing.assert_close(losses[name], losses_of_parts[name], **EPS)
    for learner in ("completion", "discriminator"):
        for a, b in zip(*(gradients(getattr(s, learner).network) for s in (whole, parts)), strict=True):
            if a is not None:
                torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-6)


def test_mixed_precision_stays_near_fp32_and_keeps_fp32_weights_and_losses(make_steps, batch):
    plain, mixed = make_steps(), make_steps(amp=True)
    for phase in Phase:
        a, b = (steps.run(phase, batch) for steps in (plain, mixed))
        for name in a:
            assert b[name].dtype == torch.float32
            if not name.endswith("accuracy"):
                torch.testing.assert_close(a[name], b[name], rtol=0.03, atol=0.03)
    assert mixed.generate(batch).dtype == torch.bfloat16
    assert all(p.dtype == torch.float32 for p in mixed.completion.network.parameters())


def steps_side_by_side(make_steps, batch):
    """Eager and compiled steps through all phases: (losses, steps) of each after every one."""
    torch._dynamo.reset()
    eager, compiled = make_steps(), make_steps(compile=True)
    for phase in (Phase.COMPLETION, Phase.DISCRIMINATOR, Phase.JOINT, Phase.COMPLETION, Phase.JOINT):
        yield (eager.run(phase, batch), eager), (compiled.run(phase, batch), compiled)
        # The same weights again, so that rounding does not add up from step to step.
        for learner in ("completion", "discriminator"):
            getattr(compiled, learner).load_state_dict(copy.deepcopy(getattr(eager, learner).state_dict()))


def test_compiled_steps_equal_eager_ones_across_all_phases_and_compile_once(make_steps, batch, monkeypatch):
    for (expected, _), (losses, compiled) in steps_side_by_side(make_steps, batch):
        for name in expected:
            torch.testing.assert_close(losses[name], expected[name], rtol=1e-3, atol=1e-4)
        after = compiled
    with torch._dynamo.config.patch(error_on_recompile=True):
        for phase in Phase:
            after.run(phase, batch)

    # Gradients with a smooth activation: a ReLU's input within rounding of zero falls to either side of it, and its
    # sign is worth some per cent of a gradient.
    monkeypatch.setattr(torch, "relu", functional.softplus)
    monkeypatch.setattr(torch.nn.ReLU, "forward", lambda self, x: functional.softplus(x))
    for (_, eager), (_, compiled) in steps_side_by_side(make_steps, batch):
        for learner in ("completion", "discriminator"):
            for x, y in zip(*(gradients(getattr(s, learner).network) for s in (eager, compiled)), strict=True):
                if x is not None and x.ndim > 1:  # biases before a batch norm have no gradient but rounding
                    assert (x - y).norm() < 1e-4 * x.norm()


def test_images_activations_and_gradients_are_channels_last(make_steps, batch):
    steps = make_steps()

    def check(module, inputs, output):
        assert output.is_contiguous(memory_format=torch.channels_last), module

    for network in (steps.completion.network, steps.discriminator.network):
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
                module.register_forward_hook(check)
    steps.run(Phase.JOINT, batch)
    for network in (steps.completion.network, steps.discriminator.network):
        for parameter in network.parameters():
            if parameter.ndim == 4:
                assert parameter.is_contiguous(memory_format=torch.channels_last)
                assert parameter.grad.is_contiguous(memory_format=torch.channels_last)


def test_the_losses_fall_on_one_batch_in_all_three_phases(make_steps, batch):
    steps = make_steps(learning_rate=3e-3)
    first = steps.run(Phase.COMPLETION, batch)["mse"]
    for _ in range(30):
        last = steps.run(Phase.COMPLETION, batch)["mse"]
    assert last < 0.8 * first
    first = steps.run(Phase.DISCRIMINATOR, batch)["discriminator"]
    for _ in range(30):
        last = steps.run(Phase.DISCRIMINATOR, batch)["discriminator"]
    assert last < 0.5 * first
    first = steps.run(Phase.JOINT, batch)["mse"]
    for _ in range(30):
        last = steps.run(Phase.JOINT, batch)["mse"]
    assert last < first
